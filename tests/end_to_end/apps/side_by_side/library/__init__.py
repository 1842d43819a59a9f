"""A Django project as people write them; `LIBRARY_DATA` names the folder of its database and files."""
