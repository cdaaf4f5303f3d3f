"""Every patient by the model that never saw them."""
