"""What a value may be: types of fields, how text is read into them, and checks of one value."""
