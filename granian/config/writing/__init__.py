"""What is made from the model: schema, reference page, starter file."""
