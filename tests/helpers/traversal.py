"""Request targets that try to leave a folder. `@` stands for the mount's own path."""

from __future__ import annotations

UP = b'..'
# Ways to write ../
STEPS = [
    b'../', b'..%2f', b'..%2F', b'%2e%2e/', b'%2E%2E/', b'%2e%2e%2f', b'.%2e/', b'%2e./', b'..\\', b'..%5c', b'..%5C',
    b'%2e%2e%5c', b'%252e%252e%252f', b'%252e%252e/', b'..%252f', b'..%255c', b'..;/', b'..%00/', b'..%0a/', b'..%0d%0a/', b'..%20/',
    b'..%09/', b'....//', b'..././', b'...\\.\\', b'.../', b'..%c0%af', b'..%c1%9c', b'%c0%ae%c0%ae/', b'%c0%ae%c0%ae%c0%af',
    b'%e0%80%ae%e0%80%ae/', b'%f0%80%80%ae%f0%80%80%ae/', b'%uff0e%uff0e/', b'%u002e%u002e%u2215', b'%ef%bc%8e%ef%bc%8e/', b'..%e2%88%95',
    b'..%ef%bc%8f', b'.//../', b'./../', b'%2e/%2e%2e/', b'..//', b'../.', b'.%00./', b'%%32%65%%32%65/', b'..%u2216', b'0x2e0x2e/', b'..?/',
]  # fmt: skip
TARGETS = [
    *[b'@/' + step * depth + b'secret.txt' for step in STEPS for depth in (1, 2)],
    *[b'@/sub/' + step * 3 + b'secret.txt' for step in STEPS[:12]],
    *[b'@/' + step * 12 + b'etc/passwd' for step in STEPS[:14]],
    *[b'@/' + step + b'public2/secret.txt' for step in STEPS[:14]],
    # As soon as the mount's own path ends.
    b'@../secret.txt', b'@..%2fsecret.txt', b'@%2f..%2fsecret.txt', b'@%2f..%2f..%2fsecret.txt', b'@2/secret.txt', b'@/..', b'@/../',
    b'@/../..', b'@/%2e%2e', b'@/..%2f', b'@/sub/..', b'@/sub/../..', b'@/sub/%2e%2e/%2e%2e/secret.txt',
    # Absolute, from other roots, of other systems.
    b'@//etc/passwd', b'@/%2fetc%2fpasswd', b'@/%2fetc/passwd', b'@///etc/passwd', b'@/file:///etc/passwd', b'@/~root/.bashrc', b'@/~/secret.txt',
    b'@/C:/windows/win.ini', b'@/C:%5cwindows%5cwin.ini', b'@/c%3a%5cwindows%5cwin.ini', b'@/%5c%5cserver%5cshare%5csecret.txt',
    b'@/\\\\server\\share\\secret.txt', b'@/%5c%5c%3f%5cC:%5csecret.txt', b'@/secret.txt::$DATA', b'@/con', b'@/aux.txt', b'@/proc/self/environ',
    # Names that end early, or not at all.
    b'@/%00', b'@/index.html%00', b'@/index.html%00.txt', b'@/..%00', b'@/%00../secret.txt', b'@/sub%00/../../secret.txt',
    b'@/' + b'a/' * 300 + b'../' * 302 + b'secret.txt', b'@/' + b'../' * 500 + b'secret.txt', b'@/' + b'%2e%2e%2f' * 300 + b'etc/passwd',
    b'@/' + b'a' * 300 + b'/../../secret.txt', b'@/index.html/../../secret.txt', b'@/index.html/..%2f..%2fsecret.txt',
    b'@/sub/deep/../../../secret.txt', b'@/./sub/./.././../secret.txt', b'@/%', b'@/%2', b'@/%zz/../secret.txt', b'@/..%', b'@/%2e%2e%2',
    # In the query, which is none of the folder's business.
    b'@/?/../../secret.txt', b'@/index.html?../../secret.txt', b'@/?file=../../secret.txt',
    # Absolute form.
    b'http://x@/../secret.txt', b'http://x@/%2e%2e/secret.txt', b'http://x@/..%2f..%2fsecret.txt', b'http://x@/sub/../../secret.txt',
]  # fmt: skip
