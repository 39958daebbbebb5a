//! Answers in other encodings than UTF-8 as it is: what a server does unasked costs no token that can be read.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use zeroize::Zeroizing;

use super::{HttpAnswer, MAX_ANSWER};
use crate::{
    manager::{ConnectionProblem, EndpointError},
    response,
};

type Bytes = Zeroizing<Vec<u8>>;

/// The same answer with its body as plain text: decompressed, in UTF-8, without what some servers put around JSON.
///
/// What cannot be read is told of a success. Of everything else the status says enough.
pub(super) fn read(answer: HttpAnswer) -> Result<HttpAnswer, EndpointError> {
    let codings = answer.header("content-encoding").unwrap_or_default();
    let body = match decompressed(answer.body(), codings) {
        Ok(body) => body,
        Err(error) if (200..300).contains(&answer.status()) => return Err(error),
        Err(_) => return Ok(answer.with_body("")),
    };
    let is_latin = answer.header("content-type").is_some_and(names_latin);
    let text = match std::str::from_utf8(&body) {
        Err(_) if is_latin => Some(latin(&body)),
        _ => response::plain(&body),
    };
    Ok(match text {
        Some(text) => answer.with_body(text.as_bytes()),
        None => answer.with_body(&body[..]),
    })
}

/// Undoes the codings of a header `Content-Encoding`, the last one first. That of a body which is text all the same, as
/// behind some proxies, is not believed; one that begins as gzip does is gzip, whatever the header says.
fn decompressed(body: &[u8], codings: &str) -> Result<Bytes, EndpointError> {
    let mut body = Zeroizing::new(body.to_vec());
    let named = codings.split(',').rev().map(|name| name.trim().to_ascii_lowercase());
    for coding in named {
        body = match coding.as_str() {
            "" | "identity" | "gzip" | "x-gzip" => continue_with_gzip(body)?,
            _ if is_text(&body) => body,
            "deflate" if is_zlib(&body) => inflated(ZlibDecoder::new(&body[..]), "deflate")?,
            "deflate" => inflated(DeflateDecoder::new(&body[..]), "deflate")?,
            other => return Err(unread(&format!("is compressed by {}", shown(other)))),
        };
    }
    Ok(body)
}

fn continue_with_gzip(body: Bytes) -> Result<Bytes, EndpointError> {
    match body.starts_with(b"\x1f\x8b\x08") {
        true => inflated(MultiGzDecoder::new(&body[..]), "gzip"),
        false => Ok(body),
    }
}

/// RFC 1950 section 2.2. Some servers leave its two bytes out and send RFC 1951.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

fn is_text(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()))
}

fn inflated(decoder: impl Read, coding: &str) -> Result<Bytes, EndpointError> {
    let mut text = Zeroizing::new(Vec::new());
    let bound = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX);
    let outcome = decoder.take(bound + 1).read_to_end(&mut text);
    if text.len() > MAX_ANSWER {
        return Err(EndpointError::connection(ConnectionProblem::TooLong));
    }
    // What is whole before the end is missing, or wrong, is whole.
    if outcome.is_ok() || response::is_whole(&text) {
        return Ok(text);
    }
    Err(unread(&format!("is compressed by {coding}, and damaged")))
}

fn unread(what: &str) -> EndpointError {
    EndpointError::transient(format!("its answer {what}, though that was not asked for"))
}

/// A coding's name, if it looks like one.
fn shown(coding: &str) -> &str {
    let plain = coding.len() <= 16 && coding.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain { coding } else { "an unknown method" }
}

/// Whether a content type names ISO 8859-1 or what is taken for the same, Windows-1252 (WHATWG Encoding, section 4.2).
fn names_latin(content_type: &str) -> bool {
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    let names = [
        "iso-8859-1",
        "iso8859-1",
        "latin1",
        "latin-1",
        "l1",
        "windows-1252",
        "cp1252",
        "us-ascii",
    ];
    charset.is_some_and(|charset| names.contains(&charset.as_str()))
}

/// What Windows-1252 has at 0x80 to 0x9f.
const SPECIAL: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

fn latin(body: &[u8]) -> Zeroizing<String> {
    let decoded = |byte: &u8| match byte {
        0x80..=0x9f => SPECIAL
            .chars()
            .nth(usize::from(byte - 0x80))
            .unwrap_or(char::REPLACEMENT_CHARACTER),
        _ => char::from(*byte),
    };
    Zeroizing::new(body.iter().map(decoded).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    const TOKEN: &[u8] = br#"{"access_token":"at"}"#;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn of(body: &[u8], coding: &str) -> Result<Vec<u8>, EndpointError> {
        let answer = HttpAnswer::new(200, body).with_header("content-encoding", coding);
        read(answer).map(|answer| answer.body().to_vec())
    }

    #[test]
    fn what_is_compressed_is_read() {
        let cut = gzip(TOKEN)[..gzip(TOKEN).len() - 6].to_vec();
        let twice = gzip(&gzip(TOKEN));
        for (body, coding) in [
            (gzip(TOKEN), "gzip"),
            (gzip(TOKEN), "X-GZip"),
            (gzip(TOKEN), "identity"),
            (gzip(TOKEN), ""),
            (zlib(TOKEN), "deflate"),
            (deflate(TOKEN), "deflate"),
            (twice, "gzip, gzip"),
            (gzip(&zlib(TOKEN)), "deflate, gzip"),
            (cut, "gzip"),
            (TOKEN.to_vec(), "gzip"),
            (TOKEN.to_vec(), "deflate"),
            (TOKEN.to_vec(), "br"),
        ] {
            assert_eq!(of(&body, coding).unwrap(), TOKEN, "{coding}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_of_a_success() {
        let half = gzip(TOKEN)[..12].to_vec();
        for (body, coding, told) in [
            (half.clone(), "gzip", "is compressed by gzip, and damaged"),
            (b"\x0b\x05\x80\xff".to_vec(), "br", "is compressed by br, though"),
            (b"\xff".to_vec(), "canary canary", "is compressed by an unknown method"),
            (b"\xff\xff".to_vec(), "deflate", "is compressed by deflate, and damaged"),
        ] {
            let error = of(&body, coding).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
            assert!(error.may_have_been_done());
        }
        let refused = HttpAnswer::new(400, half).with_header("content-encoding", "gzip");
        assert_eq!(read(refused).unwrap().body(), b"", "its status says enough");
    }

    #[test]
    fn a_small_answer_that_becomes_a_large_one_is_too_long() {
        let bomb = gzip(&vec![b' '; 50 * MAX_ANSWER]);
        assert!(bomb.len() < MAX_ANSWER);
        let error = of(&bomb, "gzip").unwrap_err();
        assert_eq!(error.connection_problem(), Some(ConnectionProblem::TooLong));
    }

    #[test]
    fn a_named_charset_counts_where_it_is_needed() {
        let of = |body: &[u8], content_type: &str| {
            let answer = HttpAnswer::new(200, body).with_header("content-type", content_type);
            String::from_utf8(read(answer).unwrap().body().to_vec())
        };
        let latin = "application/json; charset=\"ISO-8859-1\"";
        assert_eq!(of(b"Zo\xeb \x80", latin).unwrap(), "Zoë €");
        assert_eq!(of("Zoë".as_bytes(), latin).unwrap(), "Zoë", "it is UTF-8 in truth");
        assert!(of(b"Zo\xeb", "application/json").is_err(), "for the parser to warn of");
    }
}
