//! Every promise by its id: a sentence of `docs/contract.md`, or of the documentation of a trait that a backend
//! implements.
//!
//! A sentence ends at a full stop or a semicolon that a space follows, outside of parentheses and code. `K4.2` is the
//! second one of clause K4. `TokenStorage::get.2` is the second one of that method's documentation, and `TokenStorage.2`
//! of the trait's; there each item of a list starts a sentence, too.

use std::fs;

/// One promise.
pub(super) struct Sentence {
    pub(super) id: String,
    pub(super) text: String,
}

/// Where the promises of core's traits stand, and which traits those are.
const TRAITS: &[(&str, &[&str])] = &[
    ("core/src/storage.rs", &["TokenStorage"]),
    ("core/src/enumerate.rs", &["Enumerate"]),
    ("core/src/lease.rs", &["RefreshLease", "LeaseGuard"]),
];

/// All of them, in order.
pub(super) fn all() -> Result<Vec<Sentence>, String> {
    let mut found = of_clauses(&read("docs/contract.md")?);
    for (file, traits) in TRAITS {
        found.extend(of_traits(&read(file)?, traits));
    }
    Ok(found)
}

/// A file of the repository.
pub(super) fn read(path: &str) -> Result<String, String> {
    let whole = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(whole).map_err(|error| format!("{path}: {error}"))
}

/// Clauses are `- K1 ...` and the indented lines below.
fn of_clauses(text: &str) -> Vec<Sentence> {
    let mut clauses: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some((id, rest)) = clause(line) {
            clauses.push((id.to_owned(), rest.to_owned()));
            inside = true;
        } else if line.starts_with("  ") && inside {
            let (_, text) = clauses.last_mut().expect("inside of one");
            *text += " ";
            *text += line.trim();
        } else {
            inside = false;
        }
    }
    clauses.iter().flat_map(|(id, text)| numbered(id, [&**text])).collect()
}

fn clause(line: &str) -> Option<(&str, &str)> {
    let (id, rest) = line.strip_prefix("- ")?.split_once(' ')?;
    let number = id.strip_prefix(|letter: char| letter.is_ascii_uppercase())?;
    number.parse::<u8>().ok().map(|_| (id, rest))
}

/// The documentation of these traits and of their methods.
fn of_traits(text: &str, traits: &[&str]) -> Vec<Sentence> {
    let (mut found, mut documented, mut of) = (Vec::new(), Vec::new(), None);
    for line in without_attributes(text) {
        let code = line.trim_start();
        if let Some(comment) = code.strip_prefix("///") {
            documented.push(comment.trim());
            continue;
        }
        if let Some(rest) = line.strip_prefix("pub trait ") {
            of = traits.iter().find(|name| rest.starts_with(&format!("{name}:")));
            found.extend(of.iter().flat_map(|name| numbered(name, paragraphs(&documented))));
        } else if line == "}" {
            of = None;
        } else if let (Some(owner), Some(name)) = (of, method(code)) {
            found.extend(numbered(&format!("{owner}::{name}"), paragraphs(&documented)));
        }
        documented.clear();
    }
    found
}

fn without_attributes(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().map(str::trim_end).filter(move |line| {
        let starts = line.trim_start().starts_with("#[");
        let is_one = inside || starts;
        inside = is_one && !line.ends_with(']');
        !is_one
    })
}

fn method(code: &str) -> Option<&str> {
    let rest = code.strip_prefix("async ").unwrap_or(code).strip_prefix("fn ")?;
    rest.split_once('(').map(|(name, _)| name)
}

/// Headings are left out; links are what they show.
fn paragraphs(lines: &[&str]) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in lines {
        if line.is_empty() || line.starts_with('#') || line.starts_with("- ") {
            found.push(String::new());
        }
        if !line.starts_with('#') {
            let last = found.last_mut().expect("it has one");
            *last += if last.is_empty() { "" } else { " " };
            *last += line.strip_prefix("- ").unwrap_or(line);
        }
    }
    found.retain(|paragraph| !paragraph.is_empty());
    found.iter().map(|paragraph| without_links(paragraph)).collect()
}

fn without_links(text: &str) -> String {
    let mut parts = text.split("](");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once(')').unwrap_or(("", part));
        plain += rest;
    }
    plain.replace("[`", "`").replace("`]", "`")
}

fn numbered<T: AsRef<str>>(of: &str, paragraphs: impl IntoIterator<Item = T>) -> Vec<Sentence> {
    let texts: Vec<String> = paragraphs.into_iter().flat_map(|text| split(text.as_ref())).collect();
    let ids = (1..).map(|number| format!("{of}.{number}"));
    ids.zip(texts).map(|(id, text)| Sentence { id, text }).collect()
}

fn split(text: &str) -> Vec<String> {
    let (mut sentences, mut current, mut depth, mut code) = (Vec::new(), String::new(), 0_i32, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        current.push(c);
        match c {
            '`' => code = !code,
            '(' if !code => depth += 1,
            ')' if !code => depth -= 1,
            '.' | ';' if !code && depth == 0 && characters.peek() == Some(&' ') => {
                sentences.push(std::mem::take(&mut current));
            }
            _ => (),
        }
    }
    sentences.push(current);
    sentences.iter().map(|sentence| sentence.trim().to_owned()).collect()
}
