"""Header blocks that cannot be decoded, by the sections of RFC 7541, in hex."""

from __future__ import annotations

FAULTS = {
    'index 0 (6.1)': '80',
    'index beyond the static table, empty dynamic table (2.3.3)': 'be',
    'long index beyond the tables (2.3.3)': 'ff00',
    'name of an index beyond the tables (6.2.1)': '7e0161',
    'name of an index beyond the tables, not indexed (6.2.2)': '0f700161',
    'name of an index beyond the tables, never indexed (6.2.3)': '1f700161',
    'size over the setting (6.3)': '3fe21f',
    'size after a field (4.2)': '8220',
    'size after a literal (4.2)': '000161016220',
    'integer too large (5.1)': 'ffffffffff0f',
    'integer of many bytes that add nothing (5.1)': 'ff808080808000',
    'string length too large (5.1)': '007fffffffff0f',
    'string longer than the block (5.2)': '000561',
    'coded string longer than the block (5.2)': '00858c',
    'EOS in a string (5.2)': '0084ffffffff0161',
    'EOS before more text (5.2)': '0085fffffffcff0161',
    'padding longer than seven bits (5.2)': '00821fff0161',
    'padding of a whole byte (5.2)': '0081ff0161',
    'padding of zeros (5.2)': '0081180161',
    'ends within an index': 'ff',
    'ends within a literal': '40',
    'ends after a name': '000161',
    'ends within a length': '007f',
    'ends within a size': '3f',
}
