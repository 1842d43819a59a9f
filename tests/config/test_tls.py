"""TLS in the document: what is refused and in which words, what the flags mean, what is shown."""

from __future__ import annotations

import os
import re

import pytest

from granian.config.options import document_of
from tests.helpers.certificates import DAY, SERVER, Authority, ec_key, now, rsa_key

ROOT = Authority('root')
GOOD = ROOT.issue('localhost')


@pytest.fixture
def site(tmp_path):
    """`site.pem`, `site.key` and `ca.pem` beside the document."""
    GOOD.write(tmp_path, 'site')
    (tmp_path / 'ca.pem').write_text(ROOT.pem)
    return tmp_path


def document(*more):
    return '\n'.join(['[[listeners]]', '[listeners.tls]', *more, ''])


PAIR = ('certificate = "site.pem"', 'key = "site.key"')


def expired(folder):
    ROOT.issue(days=(-30, -1)).write(folder, 'site')


def not_yet(folder):
    ROOT.issue(days=(1, 30)).write(folder, 'site')


def behind_an_expired_one(folder):
    Authority('middle', parent=ROOT, days=(-30, -1)).issue().write(folder, 'site')


def other_key(folder):
    (folder / 'site.key').write_text(ROOT.issue().key_pem())


def other_kind_of_key(folder):
    (folder / 'site.key').write_text(ROOT.issue(key=rsa_key()).key_pem())


def locked(folder):
    GOOD.write(folder, 'site', password='right')


def locked_in_the_old_way(folder):
    GOOD.write(folder, 'site', form='TraditionalOpenSSL', password='right')


def short_key(folder):
    ROOT.issue(key=rsa_key(1024)).write(folder, 'site')


def written(name, text):
    def write(folder):
        (folder / name).write_text(text)

    return write


def pipe(folder):
    (folder / 'site.key').unlink()
    os.mkfifo(folder / 'site.key')


def damaged_certificate(folder):
    lines = GOOD.pem.splitlines()
    (folder / 'site.pem').write_text('\n'.join([*lines[:4], *lines[-1:]]))


def damaged_key(folder):
    lines = GOOD.key_pem().splitlines()
    (folder / 'site.key').write_text('\n'.join([*lines[:2], *lines[-1:]]))


def expired_list(folder):
    (folder / 'ca.crl').write_text(ROOT.revocations(days=(-30, -1)))


def coming_list(folder):
    (folder / 'ca.crl').write_text(ROOT.revocations(days=(1, 30)))


def last_first(folder):
    issued = Authority('middle', parent=ROOT).issue()
    issued.write(folder, 'site')
    pems = reversed(re.findall('-----BEGIN.*?-----END CERTIFICATE-----\n', issued.pem, re.DOTALL))
    (folder / 'site.pem').write_text(''.join(pems))


def expired_authority(folder):
    (folder / 'ca.pem').write_text(Authority('gone', days=(-30, -1)).pem)


DATE = r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC'
FAULTS = {
    'pipe in place of a key': (pipe, PAIR, "listeners[0].tls.key: '{folder}/site.key' is a pipe, not a file"),
    'key without certificate': (None, PAIR[1:], 'listeners[0].tls.certificate: is missing; write it like certificate = "certs/site.pem"'),
    'certificate without key': (None, PAIR[:1], 'listeners[0].tls.key: is missing; write it like key = "certs/site.key"'),
    'empty section': (None, (), 'listeners[0].tls.certificate: is missing; write it like certificate = "certs/site.pem"'),
    'no such file': (None, ('certificate = "no.pem"', PAIR[1]), "listeners[0].tls.certificate: 'no.pem': no such file (looked for {folder}/no.pem)"),
    'folder': (None, ('certificate = "."', PAIR[1]), "listeners[0].tls.certificate: '.' is a directory, not a file"),
    'expired': (expired, PAIR, "listeners[0].tls.certificate: '{folder}/site.pem' has expired on DATE (CN=localhost)"),
    'not yet valid': (not_yet, PAIR, "listeners[0].tls.certificate: '{folder}/site.pem' is not valid before DATE (CN=localhost)"),
    'expired between': (behind_an_expired_one, PAIR, "listeners[0].tls.certificate: '{folder}/site.pem' has expired on DATE (CN=middle)"),
    'another key': (other_key, PAIR, "listeners[0].tls.key: '{folder}/site.key' does not belong to the first certificate of '{folder}/site.pem' (CN=localhost)"),
    'certificates the wrong way round': (last_first, PAIR, "listeners[0].tls.key: '{folder}/site.key' does not belong to the first certificate of '{folder}/site.pem' (CN=middle)"),
    'another kind of key': (other_kind_of_key, PAIR, "listeners[0].tls.key: '{folder}/site.key' does not belong to the first certificate of '{folder}/site.pem' (CN=localhost)"),
    'key is the certificate': (None, (PAIR[0], 'key = "site.pem"'), "listeners[0].tls.key: '{folder}/site.pem' holds no private key in PEM form"),
    'certificate is the key': (None, ('certificate = "site.key"', PAIR[1]), "listeners[0].tls.certificate: '{folder}/site.key' holds no certificate in PEM form"),
    'damaged certificate': (damaged_certificate, PAIR, "listeners[0].tls.certificate: '{folder}/site.pem' is damaged: it ends too soon"),
    'damaged key': (damaged_key, PAIR, "listeners[0].tls.key: '{folder}/site.key' is damaged, or no private key"),
    'locked key': (locked, PAIR, "listeners[0].tls.key_password: is missing: '{folder}/site.key' is encrypted"),
    'key locked in the old way': (locked_in_the_old_way, PAIR, "listeners[0].tls.key_password: is missing: '{folder}/site.key' is encrypted"),
    'wrong password': (locked, (*PAIR, 'key_password = "wrong"'), "listeners[0].tls.key_password: does not open '{folder}/site.key'"),
    'wrong password in the old way': (locked_in_the_old_way, (*PAIR, 'key_password = "wrong"'), "listeners[0].tls.key_password: does not open '{folder}/site.key'"),
    'no password': (locked, (*PAIR, 'key_password = ""'), "listeners[0].tls.key_password: does not open '{folder}/site.key'"),
    'long password': (locked, (*PAIR, f'key_password = "{"x" * 1025}"'), 'listeners[0].tls.key_password: is longer than 1024 bytes'),
    'short key': (short_key, PAIR, "listeners[0].tls.certificate: '{folder}/site.pem' is refused by OpenSSL: ee key too small"),
    'verification without authorities': (None, (*PAIR, 'client_verify = "required"'), "listeners[0].tls.client_verify: 'required' needs the authorities to verify by; set client_ca"),
    'asking without authorities': (None, (*PAIR, 'client_verify = "optional"'), "listeners[0].tls.client_verify: 'optional' needs the authorities to verify by; set client_ca"),
    'authorities without verification': (None, (*PAIR, 'client_verify = "none"', 'client_ca = "ca.pem"'), 'listeners[0].tls.client_ca: verifies nobody: client_verify is "none"; keep one of them'),
    'expired authority': (expired_authority, (*PAIR, 'client_ca = "ca.pem"'), "listeners[0].tls.client_ca: '{folder}/ca.pem' has expired on DATE (CN=gone)"),
    'authorities that are none': (None, (*PAIR, 'client_ca = "site.key"'), "listeners[0].tls.client_ca: '{folder}/site.key' holds no certificate in PEM form"),
    'list without authorities': (expired_list, (*PAIR, 'client_crl = ["ca.crl"]'), 'listeners[0].tls.client_crl: revokes nothing without client_ca'),
    'expired list': (expired_list, (*PAIR, 'client_ca = "ca.pem"', 'client_crl = ["ca.crl"]'), "listeners[0].tls.client_crl: '{folder}/ca.crl' has expired on DATE (CN=root)"),
    'list that is not valid yet': (coming_list, (*PAIR, 'client_ca = "ca.pem"', 'client_crl = ["ca.crl"]'), "listeners[0].tls.client_crl: '{folder}/ca.crl' is not valid before DATE (CN=root)"),
    'list that is none': (None, (*PAIR, 'client_ca = "ca.pem"', 'client_crl = ["ca.pem"]'), "listeners[0].tls.client_crl: '{folder}/ca.pem' holds no revocation list in PEM form"),
    'damaged list': (
        written('ca.crl', '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n'), (*PAIR, 'client_ca = "ca.pem"', 'client_crl = ["ca.crl"]'),
        "listeners[0].tls.client_crl: '{folder}/ca.crl' is damaged: not a revocation list",
    ),
    'version': (None, (*PAIR, 'min_version = "1.1"'), "listeners[0].tls.min_version: '1.1' is not one of: 1.2, 1.3; did you mean '1.3'?"),
    'ciphers': (None, (*PAIR, 'min_version = "1.2"', 'ciphers = "ROT13"'), "listeners[0].tls.ciphers: 'ROT13' leaves no cipher; write it as `openssl ciphers` reads it"),
    'ciphers that are never asked for': (None, (*PAIR, 'ciphers = "ECDHE+AESGCM"'), 'listeners[0].tls.ciphers: is for TLS 1.2, which min_version = "1.3" leaves out'),
    'second certificate': (
        other_key, ('certificate = "good.pem"', 'key = "good.key"', '[[listeners.tls.sni]]', 'hosts = ["a.example"]', *PAIR),
        "listeners[0].tls.sni[0].key: '{folder}/site.key' does not belong to the first certificate of '{folder}/site.pem' (CN=localhost)",
    ),
    'second certificate for an address': (None, (*PAIR, '[[listeners.tls.sni]]', 'hosts = ["127.0.0.1"]', *PAIR), "listeners[0].tls.sni[0].hosts: '127.0.0.1' is an address, and clients name none (RFC 6066 3)"),
    'second certificate for a longer address': (None, (*PAIR, '[[listeners.tls.sni]]', 'hosts = ["[::1]"]', *PAIR), "listeners[0].tls.sni[0].hosts: '[::1]' is an address, and clients name none (RFC 6066 3)"),
    'second certificate for no host': (None, (*PAIR, '[[listeners.tls.sni]]', 'hosts = []', *PAIR), 'listeners[0].tls.sni[0].hosts: must not be empty'),
    'second certificate without hosts': (None, (*PAIR, '[[listeners.tls.sni]]', *PAIR), 'listeners[0].tls.sni[0].hosts: is missing; write it like hosts = ["*.example.org"]'),
    'two certificates for one host': (
        None, (*PAIR, '[[listeners.tls.sni]]', 'hosts = ["a.example"]', *PAIR, '[[listeners.tls.sni]]', 'hosts = ["A.example"]', *PAIR),
        "listeners[0].tls.sni[1].hosts: 'a.example' has a certificate already, of sni[0]",
    ),
    'handshakes': (None, (*PAIR, 'handshakes = 0'), 'listeners[0].tls.handshakes: 0 is less than the minimum allowed value of 1'),
    'no time for a handshake': (None, (*PAIR, 'handshake_timeout = 0'), 'listeners[0].tls.handshake_timeout: 0 is not more than 0s'),
    'reload at every moment': (None, (*PAIR, 'reload_interval = 0'), 'listeners[0].tls.reload_interval: 0 is less than the minimum allowed value of 100ms'),
}  # fmt: skip


@pytest.mark.parametrize('case', FAULTS)
def test_fault_is_refused_in_these_words(case, site, report):
    prepare, lines, message = FAULTS[case]
    GOOD.write(site, 'good')
    if prepare is not None:
        prepare(site)

    said = re.sub(DATE, 'DATE', report(document(*lines))).splitlines()

    wanted = message.replace('{folder}', str(site))
    assert [line.partition(': ')[2] for line in said[:-1]][:1] == [wanted]
    assert said[-1] == '1 file has faults; nothing was started'


@pytest.mark.skipif(os.geteuid() == 0, reason='root reads every file')
def test_unreadable_key_is_refused(site, report):
    (site / 'site.key').chmod(0)

    assert "listeners[0].tls.key: 'site.key' is not readable by this user" in report(document(*PAIR))


@pytest.mark.parametrize('form', ['PKCS8', 'TraditionalOpenSSL'])
@pytest.mark.parametrize('password', [None, 'right'])
@pytest.mark.parametrize('make_key', [ec_key, rsa_key])
def test_every_form_of_key_is_read(make_key, password, form, tmp_path, loaded):
    ROOT.issue(key=make_key()).write(tmp_path, 'site', form=form, password=password)

    config = loaded(document(*PAIR, 'key_password = "right"')).config

    assert config.listeners[0].tls.key_password.get_secret_value() == 'right'


def test_password_is_shown_nowhere(site, loaded):
    locked(site)

    config = loaded(document(*PAIR, 'key_password = "right"')).config

    assert document_of(config)['listeners'][0]['tls']['key_password'] == '**********'
    assert 'right' not in repr(config)


def test_upstreams_flags_speak_of_the_first_listener(site, loaded):
    (site / 'a.crl').write_text(ROOT.revocations())
    (site / 'b.crl').write_text(Authority('other').revocations())
    locked(site)
    flags = {
        '--ssl-certificate': 'site.pem', '--ssl-keyfile': 'site.key', '--ssl-keyfile-password': 'right', '--ssl-protocol-min': 'tls1.2',
        '--ssl-ca': 'ca.pem', '--ssl-crl': ('a.crl', 'b.crl'), '--ssl-client-verify': True,
    }  # fmt: skip

    tls = loaded(flags=flags).config.listeners[0].tls

    assert (tls.certificate, tls.key) == (site / 'site.pem', site / 'site.key')
    assert (tls.min_version, tls.client_verify) == ('1.2', 'required')
    assert (tls.client_ca, tls.client_crl) == (site / 'ca.pem', (site / 'a.crl', site / 'b.crl'))


def test_upstreams_variables_mean_the_same(site, loaded):
    locked(site)
    (site / 'a.crl').write_text(ROOT.revocations())
    (site / 'b.crl').write_text(Authority('other').revocations())
    environ = {
        'GRANIAN_SSL_CERTIFICATE': 'site.pem', 'GRANIAN_SSL_KEYFILE': 'site.key', 'GRANIAN_SSL_KEYFILE_PASSWORD': 'right',
        'GRANIAN_SSL_PROTOCOL_MIN': 'TLS1.2', 'GRANIAN_SSL_CA': 'ca.pem', 'GRANIAN_SSL_CRL': 'a.crl:b.crl', 'GRANIAN_SSL_CLIENT_VERIFY': 'yes',
    }  # fmt: skip

    tls = loaded(environ=environ).config.listeners[0].tls

    assert (tls.min_version, tls.client_verify) == ('1.2', 'required')
    assert (tls.client_ca, tls.client_crl) == (site / 'ca.pem', (site / 'a.crl', site / 'b.crl'))


@pytest.mark.parametrize(('said', 'required'), [(None, False), (False, False), (True, True)])
def test_authorities_alone_ask_clients_without_requiring(said, required, site, loaded):
    flags = {'--ssl-certificate': 'site.pem', '--ssl-keyfile': 'site.key', '--ssl-ca': 'ca.pem'}
    if said is not None:
        flags['--ssl-client-verify'] = said

    assert loaded(flags=flags).config.listeners[0].tls.trust.required is required


def test_upstreams_wish_not_to_verify_is_none_without_authorities(site, loaded):
    environ = {
        'GRANIAN_SSL_CERTIFICATE': 'site.pem',
        'GRANIAN_SSL_KEYFILE': 'site.key',
        'GRANIAN_SSL_CLIENT_VERIFY': 'false',
    }

    assert loaded(environ=environ).config.listeners[0].tls.trust is None


def test_flag_that_refuses_clients_needs_authorities(site, report):
    flags = {'--ssl-certificate': 'site.pem', '--ssl-keyfile': 'site.key', '--ssl-client-verify': True}

    said = "flag --ssl-client-verify: listeners[0].tls.client_verify: 'required' needs the authorities to verify by; set client_ca"
    assert report(flags=flags).startswith(said)


def test_switch_of_another_word_is_refused(site, report):
    environ = {
        'GRANIAN_SSL_CERTIFICATE': 'site.pem',
        'GRANIAN_SSL_KEYFILE': 'site.key',
        'GRANIAN_SSL_CLIENT_VERIFY': 'perhaps',
    }

    assert "'perhaps' is not one of: auto, none, optional, required" in report(environ=environ)


def test_certificate_alone_by_flag_starts_nothing(site, report):
    assert 'listeners[0].tls.key: is missing' in report(flags={'--ssl-certificate': 'site.pem'})


def test_expiry_of_one_authority_among_several_is_no_fault(site, loaded):
    (site / 'ca.pem').write_text(Authority('gone', days=(-30, -1)).pem + ROOT.pem)

    assert loaded(document(*PAIR, 'client_ca = "ca.pem"')).config.listeners[0].tls.asks_clients


def test_certificate_of_today_is_good(tmp_path, loaded):
    issued = ROOT.issue(days=(0, 1), usage=SERVER)
    assert issued.certificate.not_valid_before_utc <= now() < issued.certificate.not_valid_after_utc <= now() + DAY
    issued.write(tmp_path, 'site')

    assert loaded(document(*PAIR)).config.listeners[0].tls is not None
