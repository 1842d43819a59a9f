"""Conditional and range requests and what RFC 9110 says of them, for every client that tests them."""

from __future__ import annotations

from tests.helpers.folders import EARLIER, LATER, MODIFIED

CONTENT = b'0123456789abcdefghijklmnopqrstuvwxyz'

INM, IM, IMS, IUS = 'If-None-Match', 'If-Match', 'If-Modified-Since', 'If-Unmodified-Since'
# Fields, with TAG for the file's own entity tag → status (13.2.2).
CONDITIONS = [
    ([], 200),
    ([f'{INM}: TAG'], 304),
    ([f'{INM}: W/TAG'], 304),
    ([f'{INM}: *'], 304),
    ([f'{INM}: "x"'], 200),
    ([f'{INM}: "x", TAG'], 304),
    ([f'{INM}: "x", W/TAG, "y"'], 304),
    ([f'{INM}: "x,y",TAG'], 304),
    ([f'{INM}: "x"', f'{INM}: TAG'], 304),
    ([f'{INM}:'], 200),
    ([f'{INM}: x'], 200),
    ([f'{INM}: "*"'], 200),
    ([f'{IM}: TAG'], 200),
    ([f'{IM}: W/TAG'], 412),
    ([f'{IM}: *'], 200),
    ([f'{IM}: "x"'], 412),
    ([f'{IM}: "x", TAG'], 200),
    ([f'{IM}: "x", W/TAG'], 412),
    ([f'{IM}:'], 412),
    ([f'{IMS}: {MODIFIED}'], 304),
    ([f'{IMS}: {LATER}'], 304),
    ([f'{IMS}: {EARLIER}'], 200),
    ([f'{IMS}: Sunday, 06-Nov-94 08:49:37 GMT'], 304),
    ([f'{IMS}: Sun Nov  6 08:49:37 1994'], 304),
    ([f'{IMS}: Sun, 06 Nov 1994 08:49:37'], 200),
    ([f'{IMS}: nonsense'], 200),
    ([f'{IMS}: 0'], 200),
    ([f'{IMS}: {MODIFIED}', f'{IMS}: {MODIFIED}'], 200),
    ([f'{IUS}: {MODIFIED}'], 200),
    ([f'{IUS}: {LATER}'], 200),
    ([f'{IUS}: {EARLIER}'], 412),
    ([f'{IUS}: nonsense'], 200),
    ([f'{IUS}: {EARLIER}', f'{IUS}: {EARLIER}'], 200),
    # If-None-Match says all that If-Modified-Since could.
    ([f'{INM}: "x"', f'{IMS}: {LATER}'], 200),
    ([f'{INM}: TAG', f'{IMS}: {EARLIER}'], 304),
    # If-Match says all that If-Unmodified-Since could.
    ([f'{IM}: TAG', f'{IUS}: {EARLIER}'], 200),
    ([f'{IM}: "x"', f'{IUS}: {LATER}'], 412),
    # What fails first decides.
    ([f'{IM}: "x"', f'{INM}: TAG'], 412),
    ([f'{IM}: TAG', f'{INM}: TAG'], 304),
    ([f'{IM}: TAG', f'{INM}: "x"'], 200),
    ([f'{IUS}: {EARLIER}', f'{INM}: TAG'], 412),
    ([f'{IUS}: {EARLIER}', f'{IMS}: {LATER}'], 412),
    ([f'{IUS}: {LATER}', f'{IMS}: {LATER}'], 304),
    ([f'{IM}: TAG', f'{IMS}: {LATER}'], 304),
    # Without a range there is nothing for If-Range to decide.
    (['If-Range: "x"'], 200),
]

# Range → the parts (start, end) of CONTENT, [] for 416, None for the whole (14.1.1, 14.1.2, 14.2).
RANGES: list[tuple[str, list[tuple[int, int]] | None]] = [
    ('bytes=0-0', [(0, 1)]),
    ('bytes=0-9', [(0, 10)]),
    ('bytes=5-', [(5, 36)]),
    ('bytes=0-', [(0, 36)]),
    ('bytes=35-35', [(35, 36)]),
    ('bytes=35-', [(35, 36)]),
    ('bytes=30-999', [(30, 36)]),
    ('bytes=-1', [(35, 36)]),
    ('bytes=-10', [(26, 36)]),
    ('bytes=-36', [(0, 36)]),
    ('bytes=-999', [(0, 36)]),
    ('bytes=36-', []),
    ('bytes=36-40', []),
    ('bytes=999-', []),
    ('bytes=-0', []),
    ('bytes=36-,999-', []),
    ('bytes=99999999999999999999999-', []),
    ('bytes=0-99999999999999999999999', [(0, 36)]),
    ('bytes=0-0,2-2', [(0, 1), (2, 3)]),
    ('bytes=0-0, 2-2', [(0, 1), (2, 3)]),
    ('bytes=0-0 ,\t2-2', [(0, 1), (2, 3)]),
    ('bytes=2-2,0-0', [(2, 3), (0, 1)]),
    ('bytes=0-4,-4', [(0, 5), (32, 36)]),
    ('bytes=0-4,10-14,20-24', [(0, 5), (10, 15), (20, 25)]),
    ('bytes=0-9,5-14', [(0, 10), (5, 15)]),
    ('bytes=,0-0,,2-2,', [(0, 1), (2, 3)]),
    # Parts there are none of are left out, and of one part no multipart is made (15.3.7.2).
    ('bytes=0-0,99-', [(0, 1)]),
    ('bytes=99-,-1', [(35, 36)]),
    # More than the whole.
    ('bytes=0-,0-', None),
    ('bytes=0-20,10-30', None),
    # Units we do not know, and what is not a range at all.
    ('bytes', None),
    ('bytes=', None),
    ('bytes=,', None),
    ('bytes=-', None),
    ('bytes=5-4', None),
    ('bytes=0-0,5-4', None),
    ('bytes=a-b', None),
    ('bytes=0x0-0x1', None),
    ('bytes=+0-1', None),
    ('bytes=0-1-2', None),
    ('bytes=1.0-2', None),
    ('bytes=0 - 1', None),
    ('bytes:0-1', None),
    ('BYTES=0-1', [(0, 2)]),
    ('items=0-1', None),
    ('none', None),
    ('0-1', None),
    ('', None),
]
