//! Where the Globus SDK keeps an application's tokens, so that a program finds what its Python sibling stored.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::Environment;
use crate::oauth::LoginError;

/// The two kinds of file that the SDK keeps tokens in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// `tokens.json`, the SDK's default: for `JsonStorage`.
    Json,
    /// `tokens.db`: for `SqliteStorage`.
    Sqlite,
}

impl Environment {
    /// The file in which the SDK's `GlobusApp` keeps the tokens of an application:
    /// `~/.globus/app/{client id}/{name}/tokens.json` (`.db` for SQLite), with the environment's name in front of
    /// `tokens` unless it is production; on Windows in the folder for local application data. The SDK stores in the
    /// namespace `DEFAULT`.
    ///
    /// The name is made fit for file systems as the SDK does: lower case, reserved characters become `+`, points and
    /// spaces `-`, and what cannot be printed is left out. Nothing is created.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](crate::oauth::LoginErrorKind::Configuration) if nothing is left of the name,
    ///   if it is one that Windows reserves (`con`, `lpt1`), if the client id is no file name, or if no home directory
    ///   is known.
    pub fn token_file(&self, client_id: &str, app_name: &str, format: FileFormat) -> Result<PathBuf, LoginError> {
        let folder = base()?.join(app_folder(client_id, app_name)?);
        Ok(folder.join(self.file_name(format)))
    }

    fn file_name(&self, format: FileFormat) -> String {
        let extension = match format {
            FileFormat::Json => "json",
            FileFormat::Sqlite => "db",
        };
        match self.name() {
            Self::PRODUCTION => format!("tokens.{extension}"),
            name => format!("{name}-tokens.{extension}"),
        }
    }
}

fn app_folder(client_id: &str, app_name: &str) -> Result<PathBuf, LoginError> {
    // The SDK does not look; but a client id that leads elsewhere is none.
    if matches!(client_id, "" | "." | "..") || client_id.contains(['/', '\\', ':', '\0']) {
        return Err(LoginError::configuration("the client id is no file name"));
    }
    Ok(Path::new("app").join(client_id).join(slug(app_name)?))
}

fn base() -> Result<PathBuf, LoginError> {
    let variables = |name: &str| env::var_os(name);
    let found = if cfg!(windows) {
        windows_base(variables, env::home_dir())
    } else {
        env::home_dir().map(|home| home.join(".globus"))
    };
    found.ok_or_else(|| LoginError::configuration("no home directory is known, so there is no place for its tokens"))
}

/// The first of the two variables that is set counts, even if it is empty; then the home directory does.
fn windows_base(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let set = variable("LOCALAPPDATA").or_else(|| variable("APPDATA"));
    let folder = match set.filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => home?.join("AppData").join("Local"),
    };
    Some(folder.join("globus"))
}

fn slug(app_name: &str) -> Result<String, LoginError> {
    let replaced = app_name.chars().filter_map(|c| match c {
        '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => Some('+'),
        '.' | ' ' => Some('-'),
        c => is_printable(c).then_some(c),
    });
    let slug = replaced.collect::<String>().to_lowercase();
    if slug.is_empty() {
        let message = "nothing is left of the application's name in a file name; choose another";
        return Err(LoginError::configuration(message));
    }
    if is_reserved(&slug) {
        let message =
            format!("the application's name makes {slug:?}, a file name that Windows reserves; choose another");
        return Err(LoginError::configuration(message));
    }
    Ok(slug)
}

/// Python's `str.isprintable` and `escape_debug` leave out the same categories of Unicode. Behind another character,
/// because a combining one is escaped at the start of a text.
fn is_printable(c: char) -> bool {
    matches!(c, '\'') || format!("a{c}").escape_debug().count() == 2
}

fn is_reserved(slug: &str) -> bool {
    let numbered = |rest: &str| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit());
    matches!(slug, "con" | "prn" | "aux" | "nul")
        || ["com", "lpt"]
            .iter()
            .any(|device| slug.strip_prefix(device).is_some_and(numbered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit_as_the_sdk_does() {
        for (name, slug) in [
            ("Globus CLI v3.30.0", "globus-cli-v3-30-0"),
            ("My App v1.0 json", "my-app-v1-0-json"),
            ("X: y/Z.", "x+-y+z-"),
            (r#"<>:"/\|?*"#, "+++++++++"),
            ("a\0b\u{200b}\u{a0}\u{2028}\u{e000}c", "abc"),
            ("Ünïcode 漢字 '", "ünïcode-漢字-'"),
            ("e\u{301}", "e\u{301}"),
            ("ΑΣ", "ας"),
            ("Continuous Deployment App", "continuous-deployment-app"),
            ("com10", "com10"),
            ("..", "--"),
        ] {
            assert_eq!(super::slug(name).unwrap(), slug, "{name:?}");
        }
        for name in ["", "\0\n", "CON", "PRN\n", "nul", "LPT9", "COM1", "aux"] {
            assert!(super::slug(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_environment_is_part_of_the_name_unless_it_is_production() {
        let name = |environment, format| Environment::named(environment).unwrap().file_name(format);
        assert_eq!(name("production", FileFormat::Json), "tokens.json");
        assert_eq!(name("preview", FileFormat::Sqlite), "preview-tokens.db");
    }

    #[test]
    fn the_path_starts_at_home() {
        let globus = Environment::named("production").unwrap();
        let path = globus.token_file("61338d24", "My App", FileFormat::Json).unwrap();
        assert!(path.ends_with("app/61338d24/my-app/tokens.json"), "{}", path.display());
        if cfg!(unix) {
            assert!(path.starts_with(env::home_dir().unwrap().join(".globus")));
        }
        for client_id in ["", "..", "a/../../b", "C:", "a\\b"] {
            assert!(
                globus.token_file(client_id, "x", FileFormat::Json).is_err(),
                "{client_id}"
            );
        }
    }

    #[test]
    fn on_windows_it_starts_at_the_local_application_data() {
        let base = |local: Option<&str>, roaming: Option<&str>| {
            let found = windows_base(
                |name| {
                    let value = if name == "LOCALAPPDATA" { local } else { roaming };
                    value.map(OsString::from)
                },
                Some(PathBuf::from("home")),
            );
            found.unwrap()
        };
        assert_eq!(base(Some("l"), Some("r")), Path::new("l").join("globus"));
        assert_eq!(base(None, Some("r")), Path::new("r").join("globus"));
        let home = Path::new("home").join("AppData").join("Local").join("globus");
        assert_eq!(base(None, None), home);
        assert_eq!(base(Some(""), Some("r")), home, "as Python's getenv with a default");
    }
}
