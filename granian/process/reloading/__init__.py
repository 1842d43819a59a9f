"""From one generation to the next: the configuration read anew, files watched, the program itself replaced."""
