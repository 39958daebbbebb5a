//! Paths in storage URLs: literal, or percent-encoded behind `//`.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use token_storage_core::Result;

use super::misconfigured;

pub(super) fn parse(scheme: &str, rest: &str) -> Result<PathBuf> {
    let path = match rest.strip_prefix("//") {
        Some(behind) => from_url(scheme, behind)?,
        None => literal(scheme, rest)?,
    };
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(misconfigured("its path contains a NUL character"));
    }
    Ok(path)
}

fn literal(scheme: &str, path: &str) -> Result<PathBuf> {
    if path.is_empty() {
        return Err(misconfigured(format!(
            "`{scheme}:` names no file; write `{scheme}:PATH`"
        )));
    }
    if path == "~" || path.starts_with("~/") || path.starts_with("~\\") {
        return Err(misconfigured(format!(
            "`~` is expanded by shells only; write `{scheme}:$HOME/...`, or `{scheme}:./~...` for a file of that name"
        )));
    }
    Ok(path.into())
}

/// `behind` is what follows `scheme://`: an empty host or `localhost`, and an absolute path.
fn from_url(scheme: &str, behind: &str) -> Result<PathBuf> {
    let Some(slash) = behind.find('/') else {
        return Err(misconfigured(format!(
            "`{scheme}://` is followed by a host and a path; for a relative path write `{scheme}:PATH`"
        )));
    };
    let (host, path) = behind.split_at(slash);
    if !(host.is_empty() || host.eq_ignore_ascii_case("localhost")) {
        return Err(misconfigured(format!(
            "`{scheme}://` names another host, and files are local; write `{scheme}:PATH` or `{scheme}:///PATH`"
        )));
    }
    if path.contains(['?', '#']) {
        return Err(misconfigured(format!(
            "behind `{scheme}://` neither `?` nor `#` is understood; in a file's name write %3F and %23"
        )));
    }
    if path.len() < 2 {
        return Err(misconfigured(format!(
            "`{scheme}:///` names no file; write `{scheme}:///PATH`"
        )));
    }
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    to_path(bytes)
}

#[cfg(unix)]
fn to_path(bytes: Vec<u8>) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

/// `/C:/dir` of a URL is `C:/dir` as a path.
#[cfg(not(unix))]
fn to_path(bytes: Vec<u8>) -> Result<PathBuf> {
    let text = String::from_utf8(bytes).map_err(|_| misconfigured("its path is not UTF-8 once decoded"))?;
    let drive = text.as_bytes().get(2) == Some(&b':');
    Ok(if drive { text[1..].into() } else { text.into() })
}
