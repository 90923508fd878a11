"""What holds for the core whatever it is given, for hypothesis and for atheris alike."""
