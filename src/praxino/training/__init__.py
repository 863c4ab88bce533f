"""Training: one loop, its optimizer, and what each stage optimises."""
