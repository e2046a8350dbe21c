"""What all models share: their base class and the bounded types of their fields."""
