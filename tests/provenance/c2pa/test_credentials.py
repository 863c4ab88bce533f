"""Keys, signers and signed statements: made when needed, kept from others, and broken by one
byte.
"""

import datetime
import http.server
import os
import stat
import threading

import c2pa
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from PIL import Image

from praxino.errors import InputError
from praxino.provenance import keys
from praxino.provenance.c2pa import container, identity, manifest, read, sign
from praxino.provenance.policy import Ingredient, Provenance
from praxino.provenance.verify import verify
from praxino.provenance.watermark import payload
from praxino.storage.media.video import Video

RECORD = {"prompt": "a red ball", "model": "tiny", "digest": "abc"}


@pytest.fixture(name="config")
def _config(tmp_path, monkeypatch):
    """An installation of its own."""
    folder = tmp_path / "config"
    monkeypatch.setenv(keys.FOLDER, str(folder))
    return folder


def film(frames=5, **how):
    rng = np.random.default_rng(0)
    pixels = np.repeat(np.repeat(rng.integers(0, 255, (frames, 16, 16, 3), np.uint8), 4, 1), 4, 2)
    stamp = Provenance(**how)
    return stamp.sign(stamp.mark(Video(pixels, 8.0, dict(RECORD))))


def test_the_key_is_made_once_and_for_its_owner_alone(config):
    first = keys.installation()
    assert first.secret == keys.installation().secret
    if os.name == "posix":
        assert stat.S_IMODE((config / "key").stat().st_mode) == 0o600
        assert stat.S_IMODE(config.stat().st_mode) == 0o700
    assert first.secret.hex() not in repr(first)
    assert first.derived("a") != first.derived("b")


def test_a_fleet_shares_its_key(config, monkeypatch):
    monkeypatch.setenv(keys.VARIABLE, "k" * 40)
    shared = keys.installation()
    assert shared.secret == keys.installation().secret
    assert not config.exists()
    monkeypatch.setenv(keys.VARIABLE, "a secret too short")
    with pytest.raises(InputError, match="18 characters: at least 32") as caught:
        keys.installation()
    assert "secret too short" not in str(caught.value)


def test_a_key_that_others_can_read_is_noted(config, caplog):
    keys.installation()
    (config / "key").chmod(0o644)
    keys.installation()
    assert "chmod 600" in caplog.text
    (config / "key").write_text("")
    with pytest.raises(InputError, match="holds no key"):
        keys.installation()


def test_without_a_place_to_keep_them_films_are_signed_all_the_same(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "file" / "config"))
    film().save(tmp_path / "a.mp4")
    assert read.read(tmp_path / "a.mp4").state == "valid"
    assert "not kept" in caplog.text
    assert keys.VARIABLE in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("private = 3", "private"),
        ("privat = true", "privat"),
        ("= [", "TOML"),
        ('chain = "a.pem"', "without its key"),
    ],
)
def test_mistakes_in_settings_are_named(config, tmp_path, text, said):
    config.mkdir()
    (config / "provenance.toml").write_text(text)
    with pytest.raises(InputError, match=said):
        film().save(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=said):
        Provenance().require_ready()


def test_a_key_of_another_chain_is_found_before_the_work(config, tmp_path, monkeypatch):
    own = identity.identity()
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "other"))
    other = identity.identity()
    (tmp_path / "other" / "chain.pem").write_bytes(own.chain)
    (tmp_path / "other" / "key.pem").write_bytes(other.key)
    (tmp_path / "other" / "provenance.toml").write_text('chain = "chain.pem"\nkey = "key.pem"')
    with pytest.raises(InputError, match="cannot sign"):
        Provenance().require_ready()


def test_without_a_time_stamp_a_film_is_signed_all_the_same(config, tmp_path, caplog, asked):
    """The authority answers, but gives none."""
    config.mkdir()
    (config / "provenance.toml").write_text(f'time_stamp = "{asked[1]}"')
    Provenance().require_ready()
    film().save(tmp_path / "a.mp4")
    assert read.read(tmp_path / "a.mp4").own
    assert "gives no time stamp" in caplog.text


def test_a_signature_that_fails_leaves_the_older_film_as_it_was(config, tmp_path, monkeypatch):
    film().save(tmp_path / "a.webm")
    (config / "provenance.toml").write_text('chain = "bad.pem"\nkey = "bad.pem"')
    (config / "bad.pem").write_text("no certificate")
    with pytest.raises(InputError, match="cannot sign"):
        film().save(tmp_path / "a.webm")
    (config / "provenance.toml").unlink()
    assert read.read(tmp_path / "a.webm").own


@pytest.mark.parametrize("given", ["soon", "99999999999999", "9" * 40])
def test_a_date_that_is_none_is_named_before_the_work(config, monkeypatch, given):
    monkeypatch.setenv(payload.DATE, given)
    with pytest.raises(InputError, match="seconds since 1970"):
        Provenance().require_ready()


def test_a_missing_file_of_the_settings_is_named(config, tmp_path):
    config.mkdir()
    (config / "provenance.toml").write_text('chain = "nowhere.pem"\nkey = "nowhere.pem"')
    with pytest.raises(InputError, match=r"nowhere\.pem"):
        film().save(tmp_path / "a.mp4")
    assert list(tmp_path.glob("*.mp4")) == []


def test_a_chain_that_cannot_sign_is_one_line(config, tmp_path):
    config.mkdir()
    (config / "bad.pem").write_text("no certificate")
    (config / "provenance.toml").write_text('chain = "bad.pem"\nkey = "bad.pem"')
    with pytest.raises(InputError, match="cannot sign"):
        film().save(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="cannot sign"):
        Provenance().require_ready()


@pytest.mark.parametrize("ending", ["mp4", "gif", "png", "webm"])
def test_every_format_is_signed_and_breaks_by_one_byte(config, tmp_path, ending):
    target = tmp_path / f"a.{ending}"
    film(1 if ending == "png" else 5).save(target)
    said = read.read(target)
    assert said.state == "trusted"
    assert said.own
    assert (said.source, said.model, said.agent.split()[0]) == (
        "trainedAlgorithmicMedia",
        "tiny",
        "Praxino",
    )
    assert said.beside == (ending == "webm")
    assert said.prompt == ""
    assert len(said.prompt_hash) == 64
    assert len(said.mark) == 12
    data = bytearray(target.read_bytes())
    data[-20] ^= 1
    target.write_bytes(data)
    assert read.read(target).state == "tampered"


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_other_pictures_are_signed_too(config, tmp_path, ending):
    target = tmp_path / f"a.{ending}"
    Image.fromarray(film(1).frames[0]).save(target)
    sign.sign(target, target, manifest.generated(RECORD, prompt=True), [])
    assert read.read(target).prompt == "a red ball"


def test_the_record_is_covered(config, tmp_path):
    film().save(tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    assert b"a red ball" in data
    (tmp_path / "a.mp4").write_bytes(data.replace(b"a red ball", b"a red bell"))
    assert read.read(tmp_path / "a.mp4").state == "tampered"


def test_the_sentence_is_signed_only_when_asked(config, tmp_path):
    film().save(tmp_path / "a.mp4")
    film(credential_prompt=True).save(tmp_path / "b.mp4")
    assert read.read(tmp_path / "a.mp4").prompt == ""
    assert read.read(tmp_path / "b.mp4").prompt == "a red ball"


def ingredient(path):
    return Ingredient(path.name, path.read_bytes())


def test_pictures_that_went_in_are_named(config, tmp_path):
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "first.png")
    (tmp_path / "last.bmp").write_bytes(b"BM no format that can be signed")
    stamp = Provenance()
    pictures = [ingredient(tmp_path / name) for name in ("first.png", "last.bmp")]
    stamp.sign(stamp.mark(Video(film().frames, 8.0, RECORD)), pictures).save(tmp_path / "a.mp4")
    said = read.read(tmp_path / "a.mp4")
    assert said.state == "trusted"
    assert said.ingredients == ("first.png", "last.bmp")


def test_pictures_that_were_tampered_with_before_are_named_so(config, tmp_path):
    film(1).save(tmp_path / "first.png")
    data = bytearray((tmp_path / "first.png").read_bytes())
    data[data.index(b"IDAT") + 50] ^= 1
    (tmp_path / "last.png").write_bytes(data)
    pictures = [ingredient(tmp_path / name) for name in ("first.png", "last.png")]
    Provenance().sign(Video(film(2).frames, 8.0, RECORD), pictures).save(tmp_path / "a.mp4")
    said = read.read(tmp_path / "a.mp4")
    assert said.state == "trusted"
    assert said.ingredients == ("first.png", "last.png (tampered with before)")


def test_strangers_are_valid_and_not_trusted_until_they_are(config, tmp_path, monkeypatch):
    film().save(tmp_path / "a.mp4")
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "other"))
    said = read.read(tmp_path / "a.mp4")
    assert (said.state, said.own) == ("valid", False)
    assert said.by.startswith("Praxino installation")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "provenance.toml").write_text(f'trust = ["{config / "authority.pem"}"]')
    said = read.read(tmp_path / "a.mp4")
    assert (said.state, said.own) == ("trusted", False)


def test_an_own_chain_signs(config, tmp_path, monkeypatch):
    issued = identity.identity()
    other = tmp_path / "other"
    other.mkdir()
    (other / "chain.pem").write_bytes(issued.chain)
    (other / "private.pem").write_bytes(issued.key)
    (other / "provenance.toml").write_text('chain = "chain.pem"\nkey = "private.pem"')
    monkeypatch.setenv(keys.FOLDER, str(other))
    Provenance().require_ready()
    film().save(tmp_path / "a.mp4")
    said = read.read(tmp_path / "a.mp4")
    assert (said.state, said.own) == ("trusted", True)
    monkeypatch.setenv(keys.FOLDER, str(config))
    assert read.read(tmp_path / "a.mp4").own
    assert issued.key not in repr(identity).encode()


def test_whom_our_authority_vouches_for_besides_is_not_us(config, tmp_path, monkeypatch):
    """A studio's authority vouches for many: only the certificate that is configured is our own."""
    film().save(tmp_path / "a.mp4")
    chain = identity.identity().chain
    leaf, authority = x509.load_pem_x509_certificates(chain)
    other = tmp_path / "other"
    monkeypatch.setenv(keys.FOLDER, str(other))
    theirs = x509.load_pem_x509_certificates(identity.identity().chain)[0]
    (other / "chain.pem").write_bytes(
        theirs.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM)
    )
    (other / "provenance.toml").write_text('chain = "chain.pem"\nkey = "none"')
    assert leaf.serial_number != theirs.serial_number
    said = read.read(tmp_path / "a.mp4")
    assert (said.state, said.own) == ("valid", False)


def test_an_old_signer_is_replaced_and_still_known(config, tmp_path, monkeypatch, caplog):
    film().save(tmp_path / "a.mp4")

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.now(tz) + datetime.timedelta(days=366 * 6)

    monkeypatch.setattr(identity, "datetime", Later)
    chain = identity.identity().chain
    assert "a new one is made" in caplog.text
    monkeypatch.undo()
    monkeypatch.setenv(keys.FOLDER, str(config))
    assert identity.installation_anchors().authorities.count(b"BEGIN CERTIFICATE") == 2
    assert chain != b""
    assert read.read(tmp_path / "a.mp4").own


def test_a_sidecar_of_another_file_is_left_alone(config, tmp_path):
    film().save(tmp_path / "a.webm")
    Video(film().frames, 8.0).save(tmp_path / "a.mp4")
    assert read.read(tmp_path / "a.mp4").state == "none"
    assert read.read(tmp_path / "a.webm").beside


def test_a_file_of_others_beside_is_not_written_over(config, tmp_path):
    (tmp_path / "a.c2pa").write_bytes(b"about a.avi, perhaps")
    with pytest.raises(InputError, match=r"not about a\.webm"):
        Provenance().require_ready(tmp_path / "a.webm")
    with pytest.raises(InputError, match=r"not about a\.webm"):
        film().save(tmp_path / "a.webm")
    film(credentials=False).save(tmp_path / "a.webm")
    assert (tmp_path / "a.c2pa").read_bytes() == b"about a.avi, perhaps"
    film().save(tmp_path / "b.webm")
    film().save(tmp_path / "b.webm")  # its own is
    assert read.read(tmp_path / "b.webm").own


def test_junk_among_the_trusted_is_named(config, tmp_path):
    film().save(tmp_path / "a.mp4")
    (config / "provenance.toml").write_text('trust = ["key"]')
    with pytest.raises(InputError, match=r"provenance\.toml names key"):
        read.read(tmp_path / "a.mp4")


def test_what_went_in_is_stated_as_it_was_then(config, tmp_path):
    Image.fromarray(film().frames[0]).save(tmp_path / "first.png")
    made = Provenance().sign(
        Video(film().frames, 8.0, RECORD), [ingredient(tmp_path / "first.png")]
    )
    (tmp_path / "first.png").unlink()
    made.save(tmp_path / "a.mp4")
    assert read.read(tmp_path / "a.mp4").ingredients == ("first.png",)


def test_a_damaged_picture_that_went_in_stops_no_film(config, tmp_path):
    """Its statements may be damaged anywhere: it is stated all the same."""
    film(1).save(tmp_path / "first.png")
    data, rng = (tmp_path / "first.png").read_bytes(), np.random.default_rng(1)
    for number in range(60):
        worse = bytearray(data if number else data[: len(data) // 2])
        for place in rng.integers(0, len(worse), 4):
            worse[place] = int(rng.integers(256))
        picture = Ingredient("first.png", bytes(worse))
        Provenance().sign(Video(film(1).frames, 8.0, RECORD), [picture]).save(tmp_path / "a.mp4")
        said = read.read(tmp_path / "a.mp4")
        assert said.state == "trusted"
        assert said.ingredients[0].startswith("first.png")


def test_a_film_written_anew_without_statements_takes_the_old_ones_away(config, tmp_path):
    film().save(tmp_path / "a.webm")
    assert (tmp_path / "a.c2pa").exists()
    film(credentials=False).save(tmp_path / "a.webm")
    assert read.read(tmp_path / "a.webm").state == "none"


@pytest.fixture(name="asked")
def _asked():
    """What a server on this machine was asked for, and its address."""
    paths = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield paths, f"http://127.0.0.1:{server.server_port}/a.c2pa"
        server.shutdown()


def test_nothing_is_fetched(config, tmp_path, asked):
    """A file may name an address for its statements: asking there would tell who looks at it."""
    paths, address = asked
    Image.fromarray(film().frames[0]).save(tmp_path / "plain.png")
    statement = manifest.generated(RECORD, prompt=False)
    with (
        c2pa.Builder(statement, container.context()) as builder,
        (tmp_path / "plain.png").open("rb") as source,
        (tmp_path / "a.png").open("w+b") as signed,
    ):
        builder.set_no_embed()
        builder.set_remote_url(address)
        builder.sign(sign._signer(identity.identity()), "image/png", source, signed)
    said = verify(tmp_path / "a.png")
    assert (said.credentials.state, said.credentials.elsewhere, paths) == ("none", address, [])
    assert address in said.sentences[0]
    asking = c2pa.Context(c2pa.Settings.from_dict({"verify": {"remote_manifest_fetch": True}}))
    with (tmp_path / "a.png").open("rb") as file, pytest.raises(c2pa.C2paError):
        c2pa.Reader("image/png", file, None, asking)
    assert paths == ["/a.c2pa"]  # so the server would have seen it


def test_a_message_tells_model_month_and_maker(monkeypatch):
    monkeypatch.setenv(
        payload.DATE, str(int(datetime.datetime(2027, 3, 5, tzinfo=datetime.UTC).timestamp()))
    )
    key, other = keys.InstallationKey(b"a" * 32), keys.InstallationKey(b"b" * 32)
    own = payload.payload("diorama", "abc", key)
    assert payload.read(own.message) == own
    assert own.message < 2**48
    assert own.date == "2027-03"
    assert own.maker == payload.maker(key, own.model, own.month, payload.GENERATED)
    assert own.maker != payload.maker(other, own.model, own.month, payload.GENERATED)
    assert own.model == payload.of_model("diorama", "abc") != payload.of_model("diorama", "abd")
    monkeypatch.setenv(
        payload.DATE, str(int(datetime.datetime(2027, 4, 5, tzinfo=datetime.UTC).timestamp()))
    )
    assert payload.payload("diorama", "abc", key).maker != own.maker
    assert payload.read(0) is None
    stamp = payload.payload("diorama", "abc", key, payload.STAMPED)
    assert payload.read(stamp.message) == stamp
    assert stamp.maker != payload.payload("diorama", "abc", key).maker
