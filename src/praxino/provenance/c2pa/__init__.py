"""Content Credentials (C2PA): what a manifest states, who signs it, how files carry and lose it."""
