//! Where Python's `json` module, which the Globus SDK reads its files with, and JSON differ: it reads and writes three
//! constants that are not JSON, and it refuses a whole text for one value that is sound JSON.

use std::ops::Range;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// Python refuses longer integers (`sys.int_info.default_max_str_digits`).
const MOST_DIGITS: usize = 4300;

/// Python gives up at about 990 levels, less one for each call that the program is deep in.
const MOST_LEVELS: usize = 512;

/// Why Python could not read a file with this JSON value in it, if so.
pub(crate) fn refusal(json: &str) -> Option<&'static str> {
    let mut levels = 0_usize;
    for part in parts(json) {
        match part {
            Part::Open => levels += 1,
            Part::Close => levels = levels.saturating_sub(1),
            Part::Word(range) => {
                let digits = json[range].trim_start_matches('-');
                if digits.len() > MOST_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Some("holds an integer of more than 4300 digits");
                }
            }
        }
        if levels > MOST_LEVELS {
            return Some("is nested more than 512 levels deep");
        }
    }
    None
}

/// A text of Python's in JSON.
pub(crate) struct Translated {
    /// `Infinity` is now `1e400`, which denotes the same to Python and in a revision, and `NaN` is `null`.
    pub(crate) text: Zeroizing<String>,
    /// There was a `NaN`.
    pub(crate) had_nan: bool,
}

/// Translates `Infinity`, `-Infinity` and `NaN`; `None` if there are none.
pub(crate) fn translate(text: &str) -> Option<Translated> {
    // Room for all of it, `null` being longer than `NaN`: growing would leave pieces behind that are not wiped.
    let mut json = Zeroizing::new(String::with_capacity(text.len() + text.matches("NaN").count()));
    let (mut copied, mut had_nan) = (0, false);
    for part in parts(text) {
        let Part::Word(range) = part else { continue };
        let number = match &text[range.clone()] {
            "Infinity" => "1e400",
            "-Infinity" => "-1e400",
            "NaN" => "null",
            _ => continue,
        };
        had_nan |= number == "null";
        json.push_str(&text[copied..range.start]);
        json.push_str(number);
        copied = range.end;
    }
    json.push_str(&text[copied..]);
    (copied > 0).then_some(Translated { text: json, had_nan })
}

/// Whether it is one value that Python reads, apart from sizes.
pub(crate) fn is_value(text: &str) -> bool {
    let is_json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
    is_json(text) || translate(text).is_some_and(|translated| is_json(&translated.text))
}

enum Part {
    Open,
    Close,
    /// A number, a constant, or what should be one.
    Word(Range<usize>),
}

/// What stands outside of strings and is no punctuation. Never fails: it is for texts that are no JSON, too.
fn parts(text: &str) -> impl Iterator<Item = Part> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(byte) = bytes.get(at) {
            let start = at;
            at += 1;
            match byte {
                b'"' => at = end_of_string(bytes, at),
                b'[' | b'{' => return Some(Part::Open),
                b']' | b'}' => return Some(Part::Close),
                byte if is_of_word(*byte) => {
                    while bytes.get(at).is_some_and(|byte| is_of_word(*byte)) {
                        at += 1;
                    }
                    return Some(Part::Word(start..at));
                }
                _ => {}
            }
        }
        None
    })
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

/// Behind the closing quote of a string that starts here, or the end of the text.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_translated_outside_of_strings_alone() {
        let text = r#"{"Infinity": [Infinity, -Infinity,NaN], "s": "NaN \" Infinity", "n": 1}"#;
        let translated = translate(text).unwrap();
        let want = r#"{"Infinity": [1e400, -1e400,null], "s": "NaN \" Infinity", "n": 1}"#;
        assert_eq!(*translated.text, want);
        assert!(translated.had_nan);
        for text in ["", "\"", "\"\\", "null", "Infinit", "aNaN", r#"["NaN"]"#, "é"] {
            assert!(translate(text).is_none(), "{text}");
        }
        assert!(!translate("Infinity").unwrap().had_nan);
    }

    #[test]
    fn values_that_python_reads() {
        for text in ["1", "NaN", "[-Infinity]", r#"{"a": NaN}"#] {
            assert!(is_value(text), "{text}");
        }
        for text in ["", "+Infinity", "nan", "inf", "[NaN", "NaN NaN", "\"\n\"", "'a'"] {
            assert!(!is_value(text), "{text}");
        }
    }

    #[test]
    fn what_python_refuses_in_size() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let digits = |count: usize| "9".repeat(count);
        for fine in [
            deep(512),
            digits(4300),
            format!("0.{}", digits(5000)),
            format!("\"{}\"", digits(5000)),
        ] {
            assert_eq!(refusal(&fine), None);
        }
        // Beside one another they are not deep.
        assert_eq!(refusal(&format!("[{}]", vec!["{}"; 2000].join(","))), None);
        for refused in [deep(513), digits(4301), format!("{{\"a\":[-{}]}}", digits(5000))] {
            assert!(refusal(&refused).is_some());
        }
    }
}
