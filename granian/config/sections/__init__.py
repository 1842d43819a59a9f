"""The sections of the document, one file each; `granian.config.model` puts them together."""
