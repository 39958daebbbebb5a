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
    let lower = text.to_lowercase();
    let (whose, spelling) = SPELLINGS.found(text, &lower).or_else(|| listed(&lower))?;
    Some(format!("a piece of {whose}, {spelling}"))
}

/// The lengths of pieces, in characters. Of spellings that other texts have by accident, only longer ones count.
const PIECE: usize = 4;
const CODED: usize = 6;

type Pieces = HashMap<Vec<u8>, &'static str>;

/// The pieces of all tokens, by how they are spelled.
struct Spellings {
    plain: Pieces,
    lettered: Pieces,
    backwards: Pieces,
    hexadecimal: Pieces,
    base64: Pieces,
}

static SPELLINGS: LazyLock<Spellings> = LazyLock::new(|| {
    let mut all = Spellings {
        plain: Pieces::new(),
        lettered: Pieces::new(),
        backwards: Pieces::new(),
        hexadecimal: Pieces::new(),
        base64: Pieces::new(),
    };
    for (whose, token) in TOKENS {
        let lower = token.to_lowercase();
        let reversed: String = lower.chars().rev().collect();
        add(&mut all.plain, &lower, PIECE, whose);
        add(&mut all.lettered, &lower, CODED, whose);
        add(&mut all.backwards, &reversed, CODED, whose);
        for piece in pieces(token, CODED) {
            all.hexadecimal.insert(hex(piece.as_bytes()).into_bytes(), whose);
        }
        // At each of the three alignments, of both alphabets; what depends on neighbours is left out.
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
                .or_else(|| how(any(&self.lettered, CODED, &bare), "character by character"))
                .or_else(|| how(any(&self.backwards, CODED, &bare), "backwards"));
            if plain.is_some() {
                return plain;
            }
        }
        how(any(&self.hexadecimal, 2 * CODED, &bare), "in hexadecimal digits")
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
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for index in 0..=three.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * index)) as usize & 63]));
        }
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
        let coded = base64(format!("{{\"t\":\"{token}\"}}").as_bytes());
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
            coded.replace('+', "-").replace('/', "_"),
            coded,
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
            format!("{bytes:?} ~/x ~ ~~~~ {bytes:x?}"),
        ] {
            assert_eq!(found(&text), None, "{text}");
        }
        assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
    }
}
