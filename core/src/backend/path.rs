//! Paths in storage URLs: literal, or percent-encoded behind `//`.

use std::path::{Path, PathBuf};

use crate::Result;

use super::{percent, unusable};

/// Reads the path behind `scheme:`, for storages in files.
///
/// A path is taken literally, to the end: relative or absolute, a bare file name, `C:\dir\file`, with `%`, `?` and `#` as they
/// are. So a path needs no escaping. The form with two slashes, `scheme:///PATH` or `scheme://localhost/PATH`, is a URL: there
/// the path is absolute and `%XX` are decoded (which can also express a path that is not Unicode). A path that starts with
/// `~` is refused, since only shells expand it.
///
/// # Errors
/// - [`Misconfigured`](crate::ErrorKind::Misconfigured): no file is named so.
pub fn parse_path(scheme: &str, rest: &str) -> Result<PathBuf> {
    let path = match rest.strip_prefix("//") {
        Some(behind) => from_url(scheme, behind)?,
        None => literal(scheme, rest)?,
    };
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(unusable("its path contains a NUL character"));
    }
    Ok(path)
}

/// What [`parse_path`] makes this path of again: the path itself if it can be read so, else its percent-encoded form. A
/// relative path that is not Unicode has no such form, and is shown lossily.
pub fn format_path(path: &Path) -> String {
    let literal = path.to_str().filter(|text| !text.starts_with("//") && !is_home(text));
    match literal {
        Some(text) => text.to_owned(),
        None if path.is_absolute() => format!("//{}", encoded(path)),
        None => path.to_string_lossy().into_owned(),
    }
}

fn encoded(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    percent::encode(path.as_os_str().as_encoded_bytes(), plain)
}

fn is_home(path: &str) -> bool {
    path == "~" || path.starts_with("~/") || path.starts_with("~\\")
}

fn literal(scheme: &str, path: &str) -> Result<PathBuf> {
    if path.is_empty() {
        return Err(unusable(format!("`{scheme}:` names no file; write `{scheme}:PATH`")));
    }
    if is_home(path) {
        return Err(unusable(format!(
            "`~` is expanded by shells only; write `{scheme}:$HOME/...`, or `{scheme}:./~...` for a file of that name"
        )));
    }
    Ok(path.into())
}

/// `behind` is what follows `scheme://`: an empty host or `localhost`, and an absolute path.
fn from_url(scheme: &str, behind: &str) -> Result<PathBuf> {
    let Some(slash) = behind.find('/') else {
        return Err(unusable(format!(
            "`{scheme}://` is followed by a host and a path; for a relative path write `{scheme}:PATH`"
        )));
    };
    let (host, path) = behind.split_at(slash);
    if !(host.is_empty() || host.eq_ignore_ascii_case("localhost")) {
        return Err(unusable(format!(
            "`{scheme}://` names another host, and files are local; write `{scheme}:PATH` or `{scheme}:///PATH`"
        )));
    }
    if path.contains(['?', '#']) {
        return Err(unusable(format!(
            "behind `{scheme}://` neither `?` nor `#` is understood; in a file's name write %3F and %23"
        )));
    }
    if path.len() < 2 {
        return Err(unusable(format!(
            "`{scheme}:///` names no file; write `{scheme}:///PATH`"
        )));
    }
    to_path(percent::decode(path))
}

#[cfg(unix)]
fn to_path(bytes: Vec<u8>) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

/// `/C:/dir` of a URL is `C:/dir` as a path.
#[cfg(not(unix))]
fn to_path(bytes: Vec<u8>) -> Result<PathBuf> {
    let text = String::from_utf8(bytes).map_err(|_| unusable("its path is not UTF-8 once decoded"))?;
    let drive = text.as_bytes().get(2) == Some(&b':');
    Ok(if drive { text[1..].into() } else { text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_path_is_literal_and_comes_back() {
        for path in [
            "bare.json",
            "./a b.json",
            "../up.json",
            "/abs/x.json",
            r"C:\dir\x.json",
            "100%25?#.json",
            ":memory:",
            "./~/x",
            "~x",
            "é/😀",
            " leading",
        ] {
            assert_eq!(parse_path("json", path).unwrap(), Path::new(path));
            assert_eq!(format_path(Path::new(path)), path);
        }
    }

    #[test]
    fn the_url_form_is_decoded() {
        for (rest, path) in [
            ("///a/b.json", "/a/b.json"),
            ("//localhost/a%20b%3F.json", "/a b?.json"),
            ("///100%", "/100%"),
            ("////server/x", "//server/x"),
        ] {
            let parsed = parse_path("json", rest).unwrap();
            assert_eq!(parsed, Path::new(path), "{rest}");
            assert_eq!(parse_path("json", &format_path(&parsed)).unwrap(), parsed, "{rest}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_url_form_names_paths_that_are_not_unicode() {
        use std::os::unix::ffi::OsStrExt;
        let path = parse_path("sqlite", "///t/%ff.db").unwrap();
        assert_eq!(path.as_os_str().as_bytes(), b"/t/\xff.db");
        assert_eq!(format_path(&path), "///t/%FF.db");
        assert_eq!(parse_path("sqlite", &format_path(&path)).unwrap(), path);
    }

    #[test]
    fn what_is_refused_says_what_would_be_right_and_quotes_nothing() {
        for (rest, hint) in [
            ("", "`json:PATH`"),
            ("//", "a host"),
            ("//canary.json", "`json:PATH`"),
            ("//canary/tokens.json", "another host"),
            ("///canary?b", "%3F"),
            ("///", "names no file"),
            ("~/canary.json", "$HOME"),
            ("~", "$HOME"),
            ("canary\0b", "NUL"),
            ("///canary%00b", "NUL"),
        ] {
            let error = parse_path("json", rest).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{rest:?}");
            assert!(error.to_string().contains(hint), "{rest:?}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{rest:?}");
        }
    }
}
