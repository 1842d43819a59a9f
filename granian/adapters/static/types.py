"""Media types by extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Ours, and not the machine's: what a file is called by must not depend on where it is served.
TYPES = {
    '7z': 'application/x-7z-compressed', 'aac': 'audio/aac', 'apng': 'image/apng', 'atom': 'application/atom+xml',
    'avi': 'video/x-msvideo', 'avif': 'image/avif', 'bin': 'application/octet-stream', 'bmp': 'image/bmp',
    'br': 'application/x-brotli', 'bz2': 'application/x-bzip2', 'cjs': 'text/javascript', 'css': 'text/css',
    'crt': 'application/x-x509-ca-cert', 'csv': 'text/csv', 'der': 'application/x-x509-ca-cert',
    'doc': 'application/msword', 'eot': 'application/vnd.ms-fontobject', 'epub': 'application/epub+zip',
    'docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'flac': 'audio/flac',
    'geojson': 'application/geo+json', 'gif': 'image/gif', 'glb': 'model/gltf-binary', 'gltf': 'model/gltf+json',
    'gz': 'application/gzip', 'heic': 'image/heic', 'htm': 'text/html', 'html': 'text/html', 'ico': 'image/x-icon',
    'ics': 'text/calendar', 'jar': 'application/java-archive', 'jpeg': 'image/jpeg', 'jpg': 'image/jpeg',
    'js': 'text/javascript', 'json': 'application/json', 'jsonld': 'application/ld+json', 'jxl': 'image/jxl',
    'log': 'text/plain', 'm3u8': 'application/vnd.apple.mpegurl', 'm4a': 'audio/mp4', 'm4v': 'video/mp4',
    'map': 'application/json', 'markdown': 'text/markdown', 'md': 'text/markdown', 'mjs': 'text/javascript',
    'mov': 'video/quicktime', 'mp3': 'audio/mpeg', 'mp4': 'video/mp4', 'mpd': 'application/dash+xml',
    'mpeg': 'video/mpeg', 'ndjson': 'application/x-ndjson', 'oga': 'audio/ogg', 'ogg': 'audio/ogg', 'ogv': 'video/ogg',
    'odt': 'application/vnd.oasis.opendocument.text', 'opus': 'audio/ogg', 'otf': 'font/otf', 'pdf': 'application/pdf',
    'pem': 'application/x-x509-ca-cert', 'png': 'image/png', 'ppt': 'application/vnd.ms-powerpoint',
    'pptx': 'application/vnd.openxmlformats-officedocument.presentationml.presentation', 'rss': 'application/rss+xml',
    'rtf': 'application/rtf', 'svg': 'image/svg+xml', 'tar': 'application/x-tar',
    'tif': 'image/tiff', 'tiff': 'image/tiff', 'toml': 'application/toml', 'ts': 'video/mp2t', 'ttc': 'font/collection',
    'ttf': 'font/ttf', 'txt': 'text/plain', 'vtt': 'text/vtt', 'wasm': 'application/wasm', 'wav': 'audio/wav',
    'weba': 'audio/webm', 'webm': 'video/webm', 'webmanifest': 'application/manifest+json', 'webp': 'image/webp',
    'woff': 'font/woff', 'woff2': 'font/woff2', 'xhtml': 'application/xhtml+xml', 'xls': 'application/vnd.ms-excel',
    'xlsx': 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xml': 'text/xml',
    'xz': 'application/x-xz', 'yaml': 'application/yaml', 'yml': 'application/yaml', 'zip': 'application/zip',
    'zst': 'application/zstd',
}  # fmt: skip
# It says so itself, and RFC 7303 3.2 gives what we say precedence.
_SAYS_ITSELF = frozenset({'text/xml'})


class MediaTypes:
    """The built-in types, and those that are put before them."""

    def __init__(self, more: Iterable[tuple[str, str]], charset: str) -> None:
        self._types = {**TYPES, **{extension.lower().removeprefix('.'): kind for extension, kind in more}}
        self._charset = charset

    def of(self, name: bytes) -> bytes | None:
        """The Content-Type of a file, None where nothing is known of its extension."""
        _, dot, extension = name.decode(errors='replace').rpartition('.')
        kind = self._types.get(extension.lower()) if dot else None
        if kind is None:
            return None
        if self._charset and kind.startswith('text/') and ';' not in kind and kind not in _SAYS_ITSELF:
            kind = f'{kind}; charset={self._charset}'
        return kind.encode()
