//! Keys that are shortened, folded or joined: clauses K4 to K6.

use token_storage_core::TokenKey;

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<CutsAt255>("cuts keys at 255 bytes", "keys::each_length_is_another_key"),
        memory::<CutsAtPage>("cuts keys at 8 KiB", "keys::each_length_is_another_key"),
        memory::<ReadsBeginnings>("compares beginnings of keys", "keys::long_parts_differ_in_any_byte"),
        memory::<ReadsEnds>("compares ends of keys", "keys::long_parts_differ_in_any_byte"),
        memory::<ReadsBothEnds>("compares both ends of keys", "keys::long_parts_differ_in_any_byte"),
        memory::<SkipsBlockBorders>("skips every 64th byte of keys", "keys::long_parts_differ_in_any_byte"),
        memory::<Crc32>("keys are CRC-32", "keys::equal_checksums_do_not_collide"),
        memory::<Times31>("keys are a hash of strings", "keys::equal_checksums_do_not_collide"),
        memory::<Fnv1a>("keys are FNV-1a", "keys::equal_checksums_do_not_collide"),
        memory::<StdHash>("keys are half of a hash", "keys::equal_checksums_do_not_collide"),
        memory::<LengthInOneByte>("keeps the length of a part in one byte", "keys::parts_do_not_shift"),
        memory::<EscapesNoEscape>("does not escape its escape", "keys::any_separator_is_a_character"),
        memory::<DoublesSeparators>("doubles its separators", "keys::any_separator_is_a_character"),
        memory::<OddSeparator>(
            "joins keys with a character nobody uses",
            "keys::any_separator_is_a_character",
        ),
        memory::<SumsParts>("combines the parts in any order", "keys::parts_are_not_interchangeable"),
        memory::<FoldsAccents>("ignores accents", "keys::what_a_collation_folds_is_distinct"),
        memory::<FoldsWidth>("ignores width", "keys::what_a_collation_folds_is_distinct"),
        memory::<FoldsKana>("ignores kana", "keys::what_a_collation_folds_is_distinct"),
        memory::<FoldsSharpS>("takes ß for ss", "keys::what_a_collation_folds_is_distinct"),
        memory::<FoldsTurkish>("folds case as in Turkish", "keys::what_a_collation_folds_is_distinct"),
        memory::<FoldsUpper>("folds case beyond Latin", "keys::what_a_collation_folds_is_distinct"),
        memory::<IgnoresIgnorable>(
            "ignores what cannot be seen",
            "keys::what_a_collation_folds_is_distinct",
        ),
        memory::<AstralIsOne>("takes all emoji for one", "keys::what_a_collation_folds_is_distinct"),
        memory::<EndsAtAstral>("ends keys at an emoji", "keys::what_a_collation_folds_is_distinct"),
        memory::<PadsWithBlanks>(
            "ignores blanks at the end of a resource server",
            "keys::what_a_collation_folds_is_distinct",
        ),
        memory::<IgnoresPunctuation>("ignores punctuation", "keys::what_a_collation_folds_is_distinct"),
        memory::<Compatible>(
            "normalises compatible characters",
            "keys::what_a_collation_folds_is_distinct",
        ),
        memory::<OrdersMarks>("orders combining marks", "keys::what_a_collation_folds_is_distinct"),
        memory::<Latin1>("keeps keys in Latin-1", "keys::what_a_codec_folds_is_distinct"),
        memory::<NormalisesUrls>("normalises URLs", "keys::what_a_codec_folds_is_distinct"),
        memory::<NormalisesPaths>("normalises paths", "keys::what_a_codec_folds_is_distinct"),
        memory::<ReadsEscapes>("reads escapes in keys", "keys::what_a_codec_folds_is_distinct"),
        memory::<NormalisesUuids>("normalises UUIDs", "keys::what_a_codec_folds_is_distinct"),
        memory::<NumbersAreNumbers>("takes numbers for numbers", "keys::numbers_are_texts"),
        memory::<TruthIsOne>("takes true for 1", "keys::numbers_are_texts"),
        memory::<OwnRow>(
            "keeps a row of its own among the keys",
            "keys::names_that_storages_use_are_keys",
        ),
        memory::<OwnNamespace>(
            "keeps a namespace of its own",
            "keys::names_that_storages_use_are_namespaces",
        ),
    ]
}

fn each(key: &TokenKey, change: impl Fn(&str) -> String) -> TokenKey {
    TokenKey::new(change(key.namespace()), change(key.resource_server()))
}

fn rs(key: &TokenKey, change: impl Fn(&str) -> String) -> TokenKey {
    TokenKey::new(key.namespace(), change(key.resource_server()))
}

fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

fn bytes(text: &str, keep: impl Fn(usize) -> bool) -> String {
    let kept: Vec<String> = text
        .bytes()
        .enumerate()
        .filter(|(index, _)| keep(*index))
        .map(|(_, byte)| format!("{byte:02x}"))
        .collect();
    format!("{} {}", text.len(), kept.concat())
}

/// A flaw that is all in what becomes of a key.
macro_rules! keyed {
    ($(#[$meta:meta])* $name:ident, $key:ident => $changed:expr) => {
        flaw!(
            $(#[$meta])*
            $name {
                fn key(&self, $key: &TokenKey) -> TokenKey {
                    $changed
                }
            }
        );
    };
}

keyed!(
    /// A column of 255 bytes that cuts what is longer.
    CutsAt255, key => rs(key, |text| cut(text, 255))
);
keyed!(
    /// A page's worth of the key is compared.
    CutsAtPage, key => rs(key, |text| cut(text, 8192))
);
keyed!(
    /// An index over the beginning, and the length.
    ReadsBeginnings, key => rs(key, |text| bytes(text, |index| index < 1024))
);
keyed!(
    /// An index over the end, and the length.
    ReadsEnds, key => rs(key, |text| { let length = text.len(); bytes(text, move |index| index + 64 >= length) })
);
keyed!(
    /// The beginning and the end.
    ReadsBothEnds, key => rs(key, |text| {
        let length = text.len();
        bytes(text, move |index| index < 32 || index + 32 >= length)
    })
);
keyed!(
    /// A hash over blocks that forgets the first byte of each but the first.
    SkipsBlockBorders, key => rs(key, |text| bytes(text, |index| index == 0 || index % 64 != 0))
);
keyed!(
    /// The name of an entry is the CRC-32 of its key.
    Crc32, key => TokenKey::new("", {
        let joined = format!("{}:{}", key.namespace(), key.resource_server());
        let crc = joined.bytes().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
        });
        format!("{crc:08x}")
    })
);
keyed!(
    /// The hash code that Java gives strings.
    Times31, key => rs(key, |text| {
        text.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))).to_string()
    })
);
keyed!(
    /// FNV-1a of both parts, joined.
    Fnv1a, key => TokenKey::new("", {
        let joined = format!("{}/{}", key.namespace(), key.resource_server());
        joined.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)).to_string()
    })
);
keyed!(
    /// The standard library's hash, as an index of 32 bits.
    StdHash, key => TokenKey::new("", {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        (hasher.finish() as u32).to_string()
    })
);
keyed!(
    /// Length, namespace, resource server; the length is one byte.
    LengthInOneByte, key => TokenKey::new("", {
        format!("{} {}{}", key.namespace().len() as u8, key.namespace(), key.resource_server())
    })
);
keyed!(
    /// Escapes colons with a backslash, and backslashes not at all.
    EscapesNoEscape, key => {
        let escaped = each(key, |part| part.replace(':', "\\:"));
        TokenKey::new("", format!("{}:{}", escaped.namespace(), escaped.resource_server()))
    }
);
keyed!(
    /// Writes a separator within a part twice.
    DoublesSeparators, key => {
        let escaped = each(key, |part| part.replace('.', ".."));
        TokenKey::new("", format!("{}.{}", escaped.namespace(), escaped.resource_server()))
    }
);
keyed!(
    /// Joins with the character of which it is said that nobody uses it.
    OddSeparator, key => TokenKey::new("", format!("{}\u{1e}{}", key.namespace(), key.resource_server()))
);
keyed!(
    /// What it makes of the parts does not tell which is which.
    SumsParts, key => {
        let mut parts = [key.namespace(), key.resource_server()];
        parts.sort_unstable();
        TokenKey::new(parts[0], parts[1])
    }
);
keyed!(
    /// A collation without accents.
    FoldsAccents, key => rs(key, |text| text.replace(['\u{e8}', '\u{e9}', '\u{ea}'], "e").replace('\u{f1}', "n"))
);
keyed!(
    /// Full and half width are one.
    FoldsWidth, key => rs(key, |text| text.replace('\u{ff11}', "1").replace('\u{ff71}', "\u{30a2}"))
);
keyed!(
    /// Hiragana and katakana are one.
    FoldsKana, key => rs(key, |text| text.replace('\u{3042}', "\u{30a2}").replace('\u{304b}', "\u{30ab}"))
);
keyed!(
    /// Expands it.
    FoldsSharpS, key => rs(key, |text| text.replace('\u{df}', "ss"))
);
keyed!(
    /// Dotless and dotted.
    FoldsTurkish, key => rs(key, |text| text.replace('\u{131}', "i").replace('\u{130}', "I"))
);
keyed!(
    /// Sigma, and letters beyond the basic plane.
    FoldsUpper, key => rs(key, |text| text.replace('\u{3c2}', "\u{3c3}").replace('\u{10428}', "\u{10400}"))
);
keyed!(
    /// Soft hyphens, joiners and the like have no weight.
    IgnoresIgnorable, key => rs(key, |text| text.replace(['\u{ad}', '\u{200d}', '\u{200c}', '\u{fe0f}'], ""))
);
keyed!(
    /// One weight for everything beyond the basic plane.
    AstralIsOne, key => rs(key, |text| text.chars().map(|c| if c > '\u{ffff}' { '\u{fffd}' } else { c }).collect())
);
keyed!(
    /// Characters of at most three bytes; the first other one ends the text.
    EndsAtAstral, key => rs(key, |text| text.chars().take_while(|c| *c <= '\u{ffff}').collect())
);
keyed!(
    /// `PAD SPACE`.
    PadsWithBlanks, key => rs(key, |text| text.trim_end_matches(' ').to_owned())
);
keyed!(
    /// "Shifted": punctuation has no weight.
    IgnoresPunctuation, key => rs(key, |text| text.replace(['-', '_', '\''], ""))
);
keyed!(
    /// Compatible characters are one.
    Compatible, key => rs(key, |text| text.replace('\u{2122}', "TM").replace('\u{2026}', "..."))
);
keyed!(
    /// Marks are put in their canonical order.
    OrdersMarks, key => rs(key, |text| text.replace("\u{307}\u{323}", "\u{323}\u{307}"))
);
keyed!(
    /// What is not in it becomes a question mark.
    Latin1, key => rs(key, |text| text.chars().map(|c| if c > '\u{ff}' { '?' } else { c }).collect())
);
keyed!(
    /// A slash at the end, and the default port.
    NormalisesUrls, key => rs(key, |text| match text.strip_prefix("https://") {
        Some(rest) => format!("https://{}", rest.trim_end_matches('/').trim_end_matches(":443")),
        None => text.to_owned(),
    })
);
keyed!(
    /// Dots and double strokes.
    NormalisesPaths, key => rs(key, |text| text.replace("//", "/").trim_start_matches("./").to_owned())
);
keyed!(
    /// As a JSON string's.
    ReadsEscapes, key => rs(key, |text| text.replace("\\u0061", "a").replace("\\n", "\n"))
);
keyed!(
    /// However they are written.
    NormalisesUuids, key => rs(key, |text| match text.len() {
        36 => text.to_lowercase(),
        _ => text.to_owned(),
    })
);
keyed!(
    /// A column without a type of its own.
    NumbersAreNumbers, key => rs(key, |text| text.parse::<u32>().map_or_else(|_| text.to_owned(), |n| n.to_string()))
);
keyed!(
    /// A codec that guesses.
    TruthIsOne, key => rs(key, |text| if text == "true" { "1".to_owned() } else { text.to_owned() })
);

mod own {
    use token_storage_core::{
        ErrorKind, MemoryStorage, Operation, Precondition, Result, Revision, TokenData, TokenKey, TokenStorage as _,
        Write,
    };

    use crate::flaw::{Flaw, flaw};

    fn error() -> token_storage_core::Error {
        token_storage_core::Error::new(ErrorKind::InvalidInput, "the name is in use")
            .with_operation(Operation::StoreAll)
    }

    async fn unless(taken: bool, inner: &MemoryStorage, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        match taken {
            true => Err(error()),
            false => inner.store_all(writes).await,
        }
    }

    flaw!(
        /// `schema_version` is where it says which version it is.
        OwnRow {
            async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                Ok(Flaw::store_all(self, &[Write::new(key, data, precondition)]).await?[0])
            }

            async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                let taken = writes.iter().any(|write| write.key.resource_server() == "schema_version");
                unless(taken, &self.0, writes).await
            }
        }
    );

    flaw!(
        /// Its leases are in a namespace.
        OwnNamespace {
            async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                let taken = writes.iter().any(|write| write.key.namespace() == "leases");
                unless(taken, &self.0, writes).await
            }
        }
    );
}
use own::{OwnNamespace, OwnRow};
