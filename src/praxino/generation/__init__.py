"""From a sentence to a film."""
