//! Finds tokens in texts, whole or in pieces, however they are spelled.

use std::{collections::HashMap, sync::LazyLock};

use token_storage_core::TokenData;

use crate::data::extra;

/// Tokens that no text has by accident, and no encoding of random bytes: a `~` is in each of their pieces. One for each
/// place of a record where there is a secret.
pub(crate) const ACCESS: &str = "K~7q~Zv~w3~Xf~8N~pB~t6~Jd~cQ~m2~Hy~9L~sG~r4~Tk~aW~u5~Pj~eR~n8~Vx";
const REFRESH: &str = "y~5D~hM~b8~Sq~2F~zK~x7~Cn~gT~v3~Wj~pX~6d~Lr~aZ~k9~Bu~eH~s4~Gt~mY";
const ID: &str = "T~4w~Rj~n6~Pz~cV~k2~Dx~hS~7b~Fm~qL~y9~Gu~aK~e3~Wt~rN~5p~Jv~sB~8Z";
const NESTED: &str = "d~9X~mC~u4~Yk~bJ~2r~Nf~wH~6v~Qs~aP~t7~Ez~gL~x3~Kj~pD~8n~Vy~hR~5B";

const TOKENS: [(&str, &str); 4] = [
    ("the access token", ACCESS),
    ("the refresh token", REFRESH),
    ("the id_token", ID),
    ("a nested member", NESTED),
];

/// A record in which everything secret is one of them.
pub(crate) fn canaries() -> TokenData {
    TokenData::new("rs", "scope", ACCESS)
        .with_refresh_token(REFRESH)
        .with_token_type("Bearer")
        .with_identity_id("somebody")
        .with_expires_at(1_700_000_000)
        .with_extra(extra(&[
            ("id_token", &format!("\"{ID}\"")),
            ("n", &format!("[{{\"deep\":[\"{NESTED}\"]}}]")),
        ]))
}

/// What of which token the text shows, and how; `None` if it shows nothing of any.
pub(crate) fn found(text: &str) -> Option<String> {
    let backwards = || text.chars().rev().collect::<String>();
    forwards(text)
        .or_else(|| Some(forwards(&backwards())? + ", backwards"))
        .map(|found| format!("a piece of {found}"))
}

fn forwards(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let (whose, spelling) = SPELLINGS.found(text, &lower).or_else(|| listed(&lower))?;
    Some(format!("{whose}, {spelling}"))
}

/// The lengths of pieces, in characters. Of spellings that other texts have by accident, only longer ones count.
const PIECE: usize = 4;
const CODED: usize = 6;
/// Of base32, in its own characters: 50 bits.
const CODED32: usize = 10;

/// RFC 4648 sections 6 and 7, Crockford's, and that of z-base-32.
const BASE32: [&[u8; 32]; 4] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    b"0123456789ABCDEFGHIJKLMNOPQRSTUV",
    b"0123456789ABCDEFGHJKMNPQRSTVWXYZ",
    b"YBNDRFG8EJKMCPQXOT1UWISZA345H769",
];

type Pieces = HashMap<Vec<u8>, &'static str>;

/// The pieces of all tokens, by how they are spelled.
struct Spellings {
    plain: Pieces,
    lettered: Pieces,
    hexadecimal: Pieces,
    base32: Pieces,
    base64: Pieces,
}

static SPELLINGS: LazyLock<Spellings> = LazyLock::new(|| {
    let mut all = Spellings {
        plain: Pieces::new(),
        lettered: Pieces::new(),
        hexadecimal: Pieces::new(),
        base32: Pieces::new(),
        base64: Pieces::new(),
    };
    for (whose, token) in TOKENS {
        let lower = token.to_lowercase();
        add(&mut all.plain, &lower, PIECE, whose);
        add(&mut all.lettered, &lower, CODED, whose);
        for piece in pieces(token, CODED) {
            all.hexadecimal.insert(hex(piece.as_bytes()).into_bytes(), whose);
        }
        // At each alignment, of each alphabet; what depends on neighbours is left out.
        for shift in 0..5 {
            let shifted = [&vec![0; shift][..], token.as_bytes()].concat();
            for alphabet in BASE32 {
                let coded = coded(&shifted, 5, alphabet);
                let own = &coded[8..coded.len() - 1];
                add(&mut all.base32, &own.to_lowercase(), CODED32, whose);
            }
        }
        for shift in 0..3 {
            let coded = base64(&[&vec![0; shift][..], token.as_bytes()].concat());
            let own = &coded[4..coded.len() - 4];
            add(&mut all.base64, own, CODED + 2, whose);
            add(
                &mut all.base64,
                &own.replace('+', "-").replace('/', "_"),
                CODED + 2,
                whose,
            );
        }
    }
    all
});

fn add(to: &mut Pieces, text: &str, length: usize, whose: &'static str) {
    to.extend(pieces(text, length).map(|piece| (piece.as_bytes().to_vec(), whose)));
}

fn any(of: &Pieces, length: usize, text: &str) -> Option<&'static str> {
    text.as_bytes()
        .windows(length)
        .find_map(|window| of.get(window).copied())
}

impl Spellings {
    fn found(&self, text: &str, lower: &str) -> Option<(&'static str, &'static str)> {
        // Without what stands between the characters of a list.
        let bare: String = lower
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '~')
            .collect();
        let how = |whose: Option<&'static str>, how: &'static str| whose.map(|whose| (whose, how));
        if lower.contains('~') {
            let plain = how(any(&self.plain, PIECE, lower), "as it is")
                .or_else(|| how(any(&self.lettered, CODED, &bare), "character by character"));
            if plain.is_some() {
                return plain;
            }
        }
        how(any(&self.hexadecimal, 2 * CODED, &bare), "in hexadecimal digits")
            .or_else(|| how(any(&self.base32, CODED32, &bare), "in base32"))
            .or_else(|| how(any(&self.base64, CODED + 2, text), "in base64"))
    }
}

/// As a list of numbers, in any usual base.
fn listed(lower: &str) -> Option<(&'static str, &'static str)> {
    let codes = |token: &str| -> Vec<u32> { token.bytes().map(u32::from).collect() };
    [2, 8, 10, 16].into_iter().find_map(|radix| {
        let numbers = numbers(lower, radix);
        if !numbers.contains(&u32::from(b'~')) {
            return None;
        }
        let shows = |token: &str| {
            let codes = codes(token);
            numbers
                .windows(PIECE)
                .any(|four| codes.windows(PIECE).any(|codes| codes == four))
        };
        let whose = TOKENS.iter().find(|(_, token)| shows(token))?.0;
        Some((whose, "as a list of numbers"))
    })
}

fn pieces(text: &str, length: usize) -> impl Iterator<Item = &str> {
    (0..=text.len().saturating_sub(length)).map(move |start| &text[start..start + length])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All numbers of a text: of `[75, 126]`, `%4B%7E`, `\u004b`, `0x4b 0x7e`, `&#75;`.
fn numbers(lower: &str, radix: u32) -> Vec<u32> {
    let plain = lower.replace("0x", " ").replace("0b", " ").replace("0o", " ");
    plain
        .split(|c: char| !c.is_digit(radix.max(10)))
        .filter(|digits| !digits.is_empty())
        .map(|digits| u32::from_str_radix(digits, radix).unwrap_or(u32::MAX))
        .collect()
}

/// The standard alphabet, without padding.
fn base64(bytes: &[u8]) -> String {
    coded(
        bytes,
        6,
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    )
}

/// So many bits to a character, without padding.
fn coded(bytes: &[u8], bits: u32, alphabet: &[u8]) -> String {
    let (mut text, mut waiting, mut left) = (String::new(), 0_u32, 0);
    let mut push = |value: u32| text.push(char::from(alphabet[(value & ((1 << bits) - 1)) as usize]));
    for byte in bytes {
        waiting = (waiting << 8 | u32::from(*byte)) & 0xffff;
        left += 8;
        while left >= bits {
            left -= bits;
            push(waiting >> left);
        }
    }
    if left > 0 {
        push(waiting << (bits - left));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found() {
        let token = ACCESS;
        let reversed: String = REFRESH.chars().rev().collect();
        let wrapped = base64(format!("{{\"t\":\"{token}\"}}").as_bytes());
        for text in [
            token.to_owned(),
            format!("token {}...", &token[..4]),
            format!("...{}", &ID[ID.len() - 4..]),
            token.to_uppercase(),
            reversed,
            hex(token.as_bytes()),
            hex(token.as_bytes()).to_uppercase(),
            format!("{:?}", token.as_bytes()),
            format!("{:#?}", NESTED.as_bytes()),
            format!("{:x?}", token.as_bytes()),
            format!("{:?}", token.chars().collect::<Vec<_>>()),
            token.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            token.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
            token.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
            token.bytes().map(|byte| format!("&#{byte};")).collect(),
            token.bytes().map(|byte| format!("\\{byte:o}")).collect(),
            token.bytes().map(|byte| format!("0x{byte:02x}, ")).collect(),
            base64(&token.as_bytes()[1..]),
            base64(&token.as_bytes()[2..]).chars().rev().collect(),
            hex(token.as_bytes()).chars().rev().collect(),
            coded(token.as_bytes(), 5, BASE32[0]),
            coded(&NESTED.as_bytes()[3..], 5, BASE32[1]).to_lowercase(),
            coded(&token.as_bytes()[7..20], 5, BASE32[2]),
            coded(token.as_bytes(), 5, BASE32[3]).to_lowercase(),
            wrapped.replace('+', "-").replace('/', "_"),
            wrapped,
        ] {
            assert!(found(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let alphabet: String = (' '..='~').collect();
        let bytes: Vec<u8> = (0..=255).cycle().take(4096).collect();
        for text in [
            alphabet,
            base64(&bytes),
            hex(&bytes),
            coded(&bytes, 5, BASE32[0]),
            format!("{bytes:?} ~/x ~ ~~~~ {bytes:x?}"),
        ] {
            assert_eq!(found(&text), None, "{text}");
        }
        assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
        assert_eq!(coded(b"fooba", 5, BASE32[0]), "MZXW6YTB");
        assert_eq!(coded(b"foob", 5, BASE32[0]), "MZXW6YQ");
    }
}
