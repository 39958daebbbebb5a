//! The command line.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    path::Path,
    process::ExitCode,
};

use clap::{
    Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand as _,
    error::{ContextKind, ContextValue, ErrorKind},
};
use token_storage::{Schemes, backend::ActionInfo};

use crate::{
    commands::{Command, action},
    context::default_path,
    exit::{self, Exit},
    failure::Failure,
    voice,
};

/// Stores OAuth tokens, hands them out, lists, moves and removes them.
#[derive(Debug, Parser)]
#[command(name = "token-storage", version, after_help = exit::HELP, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    _global: Global,
    #[command(subcommand)]
    _command: Command,
}

/// A command line, understood.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) global: Global,
    pub(crate) command: Command,
}

/// What every command takes. Under a heading of its own, else its options stand between those of the command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    // What it says is made of the schemes, see `storage_help`.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = unless_empty("TOKEN_STORAGE_URL"),
        hide_env_values = true
    )]
    pub(crate) storage: Option<String>,

    /// Which of the users, applications or tenants that share the storage [default: DEFAULT]
    #[arg(
        long,
        global = true,
        value_name = "NS",
        env = unless_empty("TOKEN_STORAGE_NAMESPACE"),
        hide_env_values = true
    )]
    pub(crate) namespace: Option<String>,

    /// Where the keys of an encrypted storage (`encrypted+URL`) are: `file:PATH`, a file that `key generate` made, `env:NAME`, a
    /// variable with a key in base64, or (built with the feature of that name) `keyring:SERVICE/USER`, in the operating system's
    /// keyring, or `kms:KEY?file=PATH`, a file that only a key of a key management service opens. With it, the storage without --storage is encrypted
    #[cfg(feature = "encryption")]
    #[arg(
        long,
        global = true,
        value_name = "WHERE",
        env = unless_empty("TOKEN_STORAGE_KEY_FROM"),
        hide_env_values = true
    )]
    pub(crate) key_from: Option<String>,

    /// Read what is not encrypted in an encrypted storage, too; it is encrypted when it is next written
    #[cfg(feature = "encryption")]
    #[arg(long, global = true)]
    pub(crate) allow_plaintext: bool,

    /// Whether --key-from stands on the command line, not in the environment.
    #[cfg(feature = "encryption")]
    #[arg(skip)]
    pub(crate) key_from_given: bool,

    /// How many seconds to wait for servers, for other processes and, at a login, for a person [default: 600 at a login, 60
    /// for a server, 45 for another process]
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = unless_empty("TOKEN_STORAGE_TIMEOUT"),
        hide_env_values = true
    )]
    pub(crate) timeout: Option<u32>,

    /// Print results and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Namespace and resource server are given as JSON strings, for names that no shell can pass
    #[arg(long, global = true)]
    pub(crate) quoted: bool,
}

/// The command line with everything that these storages have.
pub(crate) fn command(schemes: &Schemes) -> clap::Command {
    let (usual, all) = storage_help(schemes);
    let command = Cli::command().mut_arg("storage", |arg| arg.help(usual).long_help(all));
    let actions = actions(schemes);
    command.subcommands(actions.iter().map(action::command))
}

/// What can be done to the storages of any scheme; if several have one of that name, with the options of all. Ours come
/// first.
fn actions(schemes: &Schemes) -> Vec<ActionInfo> {
    let mut actions: Vec<ActionInfo> = Vec::new();
    for info in schemes.describe().into_iter().flat_map(|scheme| scheme.actions) {
        if Command::has_subcommand(info.name) {
            continue;
        }
        match actions.iter_mut().find(|known| known.name == info.name) {
            Some(known) => {
                for option in info.options {
                    if known.options.iter().all(|known| known.name != option.name) {
                        known.options.push(option);
                    }
                }
                known.destroys = known.destroys.or(info.destroys);
            }
            None => actions.push(info),
        }
    }
    actions
}

/// What `--storage` takes: in a line, and in full.
fn storage_help(schemes: &Schemes) -> (String, String) {
    let forms: Vec<_> = schemes.describe().into_iter().flat_map(|scheme| scheme.forms).collect();
    let short: Vec<String> = forms
        .iter()
        .map(|form| format!("`{}`", form.form.split('?').next().unwrap_or(form.form)))
        .collect();
    let usual = format!("Where the tokens are: {}", short.join(", "));
    let mut all = "Where the tokens are\n\n".to_owned();
    for form in &forms {
        let _ = writeln!(all, "- `{}`: {}", form.form, form.meaning);
    }
    for layer in schemes.layers() {
        let _ = writeln!(all, "- `{}+URL`: any of these, {}", layer.name, layer.meaning);
    }
    all += "\nWithout it: a SQLite file in the platform's folder for application data. PATH is taken literally; see the URLs in \
            the documentation for more.";
    (usual, all)
}

pub(crate) fn parse(schemes: &Schemes) -> Result<Parsed, clap::Error> {
    let matches = command(schemes).try_get_matches_from(arguments())?;
    let action = matches.subcommand().and_then(|(name, given)| {
        let info = actions(schemes).into_iter().find(|info| info.name == name)?;
        Some(action::Args::new(info, given))
    });
    #[cfg_attr(not(feature = "encryption"), expect(unused_mut))]
    let mut global = Global::from_arg_matches(&matches)?;
    #[cfg(feature = "encryption")]
    {
        // A global option may stand behind the command, where the command's own matches have it, too.
        let given = matches.value_source("key_from");
        global.key_from_given = given == Some(clap::parser::ValueSource::CommandLine);
    }
    Ok(Parsed {
        global,
        command: match action {
            Some(args) => Command::Action(args),
            None => Command::from_arg_matches(&matches)?,
        },
    })
}

/// The command line. Git and Docker find a helper by the name of its program, so a link of that name stands for the command.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = env::args_os().collect();
    let called = arguments.first().map(|path| Path::new(path).file_stem());
    let helper = match called.flatten().and_then(OsStr::to_str) {
        Some("git-credential-token-storage") => "git",
        Some("docker-credential-token-storage") => "docker",
        _ => return arguments,
    };
    arguments.splice(1..1, ["credential", helper].map(OsString::from));
    arguments
}

/// The variable that an option may be in. An empty one counts as unset, as usual; on the command line an empty value is meant.
pub(crate) fn unless_empty(name: &'static str) -> Option<&'static str> {
    let is_empty = env::var_os(name).is_some_and(|value| value.is_empty());
    (!is_empty).then_some(name)
}

/// From here on no value of the command line is repeated in a message, unless it is known what it names. What that can be is
/// found out once there is something to say: the whole of the command line is many times what one command needs of it.
pub(crate) fn listen(schemes: &Schemes) {
    let arguments = arguments()
        .into_iter()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    let schemes = schemes.clone();
    voice::listen(arguments, move || Words::new(&schemes));
}

/// What words of a command line can mean.
pub(crate) struct Words {
    names: Vec<String>,
    layers: Vec<String>,
    schemes: Vec<String>,
}

impl Words {
    fn new(schemes: &Schemes) -> Self {
        let mut command = command(schemes);
        command.build();
        let layers = schemes.layers();
        let kinds = schemes.describe();
        Self {
            names: names(&command),
            layers: layers.iter().map(|layer| format!("{}+", layer.name)).collect(),
            schemes: kinds.iter().map(|scheme| format!("{}:", scheme.name)).collect(),
        }
    }

    /// Whether it means something to the command line itself.
    pub(crate) fn is_name(&self, word: &str) -> bool {
        self.names.iter().any(|name| name == word)
    }

    /// Whether it names a storage.
    pub(crate) fn is_storage(&self, word: &str) -> bool {
        let below = below_layers(word, &self.layers);
        self.schemes.iter().any(|scheme| below.starts_with(scheme))
    }
}

/// A storage URL without the layers in front of it.
fn below_layers<'a>(mut url: &'a str, layers: &[String]) -> &'a str {
    while let Some(below) = layers.iter().find_map(|layer| url.strip_prefix(layer.as_str())) {
        url = below;
    }
    url
}

/// Every word that means something to the command line itself.
fn names(command: &clap::Command) -> Vec<String> {
    let mut names: Vec<String> = command.get_all_aliases().map(str::to_owned).collect();
    names.push(command.get_name().to_owned());
    for argument in command.get_arguments() {
        let aliases = argument.get_all_aliases().unwrap_or_default();
        names.extend(
            argument
                .get_long()
                .into_iter()
                .chain(aliases)
                .map(|long| format!("--{long}")),
        );
        names.extend(argument.get_short().map(|short| format!("-{short}")));
        names.extend(
            argument
                .get_possible_values()
                .iter()
                .map(|value| value.get_name().to_owned()),
        );
    }
    names.extend(command.get_subcommands().flat_map(self::names));
    names.push("--".to_owned());
    names
}

/// Shows help, the version, or what is wrong with the command line.
pub(crate) fn report(mut error: clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let exit = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        let _ = error.print();
        return exit;
    }
    if arguments().len() <= 1 {
        voice::say(first_steps().trim_end());
        return Exit::Usage.into();
    }
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            voice::say(error.to_string().trim_end());
            return Exit::Usage.into();
        }
        ErrorKind::InvalidUtf8 => return Failure::new(Exit::Usage, NOT_UNICODE).report(),
        // What stands there is the command that wants another word.
        ErrorKind::MissingSubcommand => {}
        _ => hide_values(&mut error),
    }
    let message = error.to_string();
    let message = message.trim_start_matches("error: ").trim_end();
    if voice::is_json() {
        return Failure::new(Exit::Usage, message).report();
    }
    voice::say(&format!("error: {}\n", voice::guarded(message)));
    Exit::Usage.into()
}

/// Which argument it is, clap does not say.
const NOT_UNICODE: &str = "an argument is not valid UTF-8; names are Unicode, and of what no shell can pass --quoted takes the JSON \
                           string; a file of such a name can be given as `-`, with `< FILE`";

/// For who has only just installed it.
fn first_steps() -> String {
    let mut text = "Keeps OAuth tokens, and hands out valid ones.\n\nTo begin:\n".to_owned();
    if cfg!(feature = "oauth") {
        text += "  token-storage login                                log in with a browser, at Globus\n  \
                   token-storage login --issuer URL --client-id ID    or at any other OAuth 2 server\n";
    }
    text += "  token-storage store FILE                           keep what a token endpoint answered\n\nThen:\n  \
               token-storage list                                 what there is\n  \
               token-storage access-token RS                      a valid token, for $(...)\n\n";
    if let Ok(path) = default_path() {
        let path = crate::text::one_line(&path.display().to_string());
        text += &format!("Tokens are kept in {path}, unless --storage says otherwise.\n");
    }
    text + "`token-storage --help` shows everything.\n"
}

/// Options of the command are repeated in a message, values and unknown words not: one may be a token that somebody
/// pasted.
fn hide_values(error: &mut clap::Error) {
    let unknown = error.kind() == ErrorKind::UnknownArgument;
    for kind in [
        ContextKind::InvalidArg,
        ContextKind::InvalidValue,
        ContextKind::InvalidSubcommand,
    ] {
        let is_value = match error.get(kind) {
            Some(ContextValue::String(text)) => unknown || !text.starts_with('-') && !text.starts_with('<'),
            _ => false,
        };
        if is_value {
            error.insert(kind, ContextValue::String("...".to_owned()));
        }
    }
    // They show how the word itself could be passed.
    error.remove(ContextKind::Suggested);
}
