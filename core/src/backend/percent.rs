//! Percent-encoding (RFC 3986, section 2.1).

/// Encodes every byte that `plain` does not let through.
pub(super) fn encode(bytes: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            byte if byte.is_ascii() && plain(*byte) => out.push(char::from(*byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Decodes `%XX`; a `%` that two hexadecimal digits do not follow stands for itself.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match (first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (text, bytes) in [
            ("a%20b", &b"a b"[..]),
            ("%e9%E9", b"\xe9\xe9"),
            ("100%", b"100%"),
            ("%2", b"%2"),
            ("%zz%%41", b"%zz%A"),
            ("%+1", b"%+1"),
        ] {
            assert_eq!(decode(text), bytes, "{text}");
            assert_eq!(decode(&encode(bytes, |byte| byte.is_ascii_alphanumeric())), bytes);
        }
    }
}
