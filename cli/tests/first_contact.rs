//! The rows of `docs/manners.md`: each is tried here, in a pseudo-terminal where it matters, or by a test that is named here.
#![cfg(all(unix, feature = "json", feature = "oauth", feature = "sqlite"))]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    io::pipe,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use common::{
    Cli, Ran, beside, by_shell, terminal,
    world::{GROUPS, GROUPS_SCOPE, World, arrived},
};
use rexpect::{
    process::{Signal, WaitStatus},
    session::PtySession,
};
use token_storage_auth_testing::auth_server::{Endpoint, Fault, Gate};

const RESPONSE: &str =
    r#"{"access_token":"canary-at","refresh_token":"canary-rt","resource_server":"rs","expires_in":3600}"#;

/// What is tried, as the page calls it, and by which test of which file.
const TRIED: [(&str, &str, &str); 27] = [
    (
        "`list`, `get`, `access-token` where nothing is stored",
        "first_contact.rs",
        "nothing_is_stored",
    ),
    (
        "a pipe that is closed early (`list \\| true`), for `list`, `get`, `info`, `doctor`, `man`, `completions`, `--help`, \
         `namespaces`",
        "first_contact.rs",
        "the_pipe_is_closed",
    ),
    (
        "standard output closed (`>&-`)",
        "first_contact.rs",
        "standard_output_is_closed",
    ),
    (
        "standard input closed or empty, for `store`",
        "first_contact.rs",
        "standard_input_is_closed_or_empty",
    ),
    ("Ctrl-C in `exec`", "first_contact.rs", "ctrl_c_in_exec"),
    (
        "Ctrl-C while it waits for the storage (`store`, `remove`, `logout --local-only`, `import`, `migrate`)",
        "first_contact.rs",
        "ctrl_c_while_it_waits_for_the_storage",
    ),
    (
        "Ctrl-C while `whoami` or `logout` waits for the server",
        "first_contact.rs",
        "ctrl_c_while_the_server_is_silent",
    ),
    (
        "Ctrl-C at the question for a passphrase",
        "first_contact.rs",
        "ctrl_c_at_a_passphrase",
    ),
    ("no `HOME`, an empty one", "first_contact.rs", "no_home"),
    (
        "a `HOME` that does not exist, for a command that reads",
        "first_contact.rs",
        "a_home_that_does_not_exist",
    ),
    (
        "a read-only `HOME`, for `store`",
        "first_contact.rs",
        "a_home_that_is_read_only",
    ),
    ("40 columns", "first_contact.rs", "forty_columns"),
    (
        "`NO_COLOR`, `TERM=dumb`, no terminal",
        "first_contact.rs",
        "without_colours",
    ),
    ("another locale (`de_DE.UTF-8`)", "first_contact.rs", "another_locale"),
    ("a screen reader, `--json`", "first_contact.rs", "for_a_screen_reader"),
    (
        "`token-storage` alone, on a fresh machine",
        "manners.rs",
        "alone_it_says_what_to_do_first",
    ),
    (
        "`token-storage credential`, which wants another word",
        "manners.rs",
        "a_command_of_several_shows_them",
    ),
    (
        "`--help`, `help COMMAND`, `COMMAND --help`",
        "usage.rs",
        "help_and_version_are_results",
    ),
    (
        "a command, an option or a value with a typo",
        "manners.rs",
        "a_typo_is_answered_with_what_is_like_it",
    ),
    (
        "a storage without a scheme, or with an unknown one",
        "usage.rs",
        "a_storage_that_is_not_usable_says_what_would_be",
    ),
    (
        "`groups` where nobody has logged in",
        "login/afterwards.rs",
        "groups_ask_nobody_where_nobody_is",
    ),
    (
        "standard output full (`>/dev/full`)",
        "usage.rs",
        "closed_and_full_outputs",
    ),
    (
        "Ctrl-C while it reads from the terminal (`store`, `credential`, `--rejected -`)",
        "manners.rs",
        "ctrl_c_ends_a_command_that_reads_from_the_terminal",
    ),
    (
        "Ctrl-C while a login waits for the person",
        "login/interrupted.rs",
        "interrupted_it_ends_at_once",
    ),
    (
        "Ctrl-C after a refresh token was sent",
        "refresh.rs",
        "a_signal_waits_until_the_new_token_is_stored",
    ),
    (
        "Ctrl-C in `bench` and `conformance`",
        "bench.rs",
        "an_interrupted_run_removes_what_it_wrote",
    ),
    (
        "an argument that is not UTF-8",
        "manners.rs",
        "an_argument_that_is_no_unicode_is_told",
    ),
];

#[test]
fn every_row_of_the_page_is_tried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/manners.md")).unwrap();
    let rows: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|row| *row != "tried")
        .collect();
    let named: BTreeSet<&str> = TRIED.map(|(row, ..)| row).into();
    assert_eq!(rows, named);
    for (row, file, test) in TRIED {
        let source = fs::read_to_string(root.join("tests").join(file)).unwrap();
        let is_there = source.contains(&format!("#[test]\nfn {test}()"));
        assert!(is_there, "{row}: no test {test} in {file}");
    }
}

fn in_terminal(mut command: Command) -> PtySession {
    command.env("TERM", "xterm-256color");
    terminal::in_terminal(command)
}

/// A new user's: the storage is where it is by default, in the folder, which is the home.
fn new_user() -> Cli {
    let mut cli = Cli::new("memory");
    cli.url = String::new();
    cli
}

fn with_a_token() -> Cli {
    let cli = Cli::new("json");
    cli.store(RESPONSE);
    fs::write(cli.folder().join("response.json"), RESPONSE).unwrap();
    cli
}

/// What is shown in the terminal, once the command has ended with this code.
fn shown(command: Command, code: i32) -> String {
    let mut terminal = in_terminal(command);
    let shown = terminal.exp_eof().unwrap();
    let ended = terminal.process().wait().unwrap();
    assert!(
        matches!(ended, WaitStatus::Exited(_, ended) if ended == code),
        "{ended:?}: {shown}"
    );
    shown
}

fn is_ended_by_ctrl_c(mut terminal: PtySession) {
    terminal.send_control('c').unwrap();
    // Patience has its end there, and not where the process is waited for.
    terminal.exp_eof().unwrap();
    let ended = terminal.process().wait().unwrap();
    assert!(matches!(ended, WaitStatus::Signaled(_, Signal::SIGINT, _)), "{ended:?}");
}

#[test]
fn nothing_is_stored() {
    let cli = new_user();
    for (arguments, code) in [(&["list"][..], 0), (&["get", "rs"], 3), (&["access-token", "rs"], 3)] {
        let shown = shown(cli.command(arguments), code);
        assert!(shown.contains("no token") && shown.contains("\"DEFAULT\""), "{shown}");
    }
    let made = fs::read_dir(cli.folder()).unwrap().count();
    assert_eq!(made, 0, "reading creates nothing");
}

#[test]
fn the_pipe_is_closed() {
    let cli = with_a_token();
    for arguments in [
        &["list"][..],
        &["get", "rs"],
        &["info"],
        &["doctor"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
        &["namespaces"],
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let ran = Ran::of(cli.command(arguments).stdout(writer).output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn standard_output_is_closed() {
    let cli = Cli::new("json");
    fs::write(cli.folder().join("response.json"), RESPONSE).unwrap();
    let mut closed = by_shell("exec >&-", &cli.command(&["store", "response.json"]));
    assert_eq!(Ran::of(closed.output().unwrap()).succeeded().stderr, "");
    cli.run(&["get", "rs"]).succeeded();
}

#[test]
fn standard_input_is_closed_or_empty() {
    let cli = Cli::new("json");
    let store = cli.command(&["store"]);
    for script in ["exec <&-", "exec </dev/null"] {
        let ran = Ran::of(by_shell(script, &store).output().unwrap());
        ran.ended(2).says("the response is empty");
    }
}

#[test]
fn ctrl_c_in_exec() {
    let cli = with_a_token();
    let program = ["exec", "--rs", "rs", "--", "sh", "-c", "echo here && exec cat"];
    let mut terminal = in_terminal(cli.command(&program));
    terminal.exp_string("here").unwrap();
    is_ended_by_ctrl_c(terminal);
}

/// Another program holds the file's lock for longer than the command waits, so it cannot have come to its end.
#[test]
fn ctrl_c_while_it_waits_for_the_storage() {
    let cli = with_a_token();
    let other = Cli::new("json");
    other.store(&RESPONSE.replace("\"rs\"", "\"other\""));
    let cache = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/caches/gcloud.json");
    let before = fs::read(cli.file()).unwrap();
    let lock = fs::File::open(cli.folder().join("tokens.file.lock")).unwrap();
    lock.lock().unwrap();
    for arguments in [
        &["store", "response.json"][..],
        &["remove", "rs"],
        &["logout", "--local-only", "rs"],
        &["import", "--from", "gcloud", cache],
        &["migrate", &other.url, &cli.url],
    ] {
        let mut command = cli.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        // The first ones may come before the command is started, and be ignored as the tests' own may be.
        let ended = loop {
            if let Some(ended) = child.try_wait().unwrap() {
                break ended;
            }
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        };
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&ended),
            Some(2),
            "{arguments:?}: {ended}"
        );
    }
    assert_eq!(fs::read(cli.file()).unwrap(), before);
    drop(lock);
    cli.run(&["get", "rs"]).succeeded();
    other.run(&["get", "other"]).succeeded();
}

/// The server holds the request, so the command cannot have come to its end.
#[test]
fn ctrl_c_while_the_server_is_silent() {
    for (endpoint, arguments) in [
        (Endpoint::UserInfo, &["whoami"][..]),
        (Endpoint::Revoke, &["logout", GROUPS]),
    ] {
        let world = World::new("json");
        world.log_in(&format!("openid {GROUPS_SCOPE}"));
        let before = fs::read(world.cli.file()).unwrap();
        let gate = Gate::new();
        world.server.script(endpoint, Fault::GateBefore(gate.clone()));
        let terminal = in_terminal(world.command(arguments));
        arrived(&gate);
        is_ended_by_ctrl_c(terminal);
        assert_eq!(fs::read(world.cli.file()).unwrap(), before, "{arguments:?}");
        world.run(arguments).succeeded();
    }
}

#[cfg(feature = "encryption")]
#[test]
fn ctrl_c_at_a_passphrase() {
    let cli = new_user();
    let generate = cli.command(&["key", "generate", "my.key", "--passphrase"]);
    // In a terminal for tests nothing that is typed is shown from the beginning.
    let mut terminal = in_terminal(by_shell("stty echo", &generate));
    terminal.exp_string("New passphrase of").unwrap();
    let screen = terminal.process().get_file_handle().unwrap();
    let shows = || {
        let now = rustix::termios::tcgetattr(&screen).unwrap();
        now.local_modes.contains(rustix::termios::LocalModes::ECHO)
    };
    while shows() {
        std::thread::yield_now();
    }
    is_ended_by_ctrl_c(terminal);
    assert!(shows(), "what is typed next can be seen");
    assert_eq!(fs::read_dir(cli.folder()).unwrap().count(), 0, "nothing is made");
}

/// What the folder that the system's user database names has is no matter of this test, nor whether it can be looked into. In a
/// container the user may not be in the database at all.
#[test]
fn no_home() {
    let cli = new_user();
    for home in ["unset HOME", "export HOME="] {
        let ran = Ran::of(by_shell(home, &cli.command(&["info", "--json"])).output().unwrap());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let found = said.contains("/token-storage/tokens.db");
        let told = ran.code == Some(2) && said.contains("no home directory is known");
        assert!(found || told, "{home}: {ran:#?}");
    }
}

#[test]
fn a_home_that_does_not_exist() {
    let cli = new_user();
    let home = cli.folder().join("nowhere");
    let mut command = cli.command(&["list"]);
    command.env("HOME", &home);
    assert!(shown(command, 0).contains("there are no tokens"));
    assert!(!home.exists());
}

/// Root may write into any folder, unless it has given that right away.
#[test]
fn a_home_that_is_read_only() {
    let cli = new_user();
    let home = cli.folder().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(cli.folder().join("response.json"), RESPONSE).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = cli.command(&["store", "response.json"]);
    command.env("HOME", &home);
    if rustix::process::geteuid().is_root() {
        let mut without = beside("setpriv", &command);
        without
            .arg("--bounding-set=-dac_override")
            .arg(command.get_program())
            .args(command.get_args());
        command = without;
    }
    let shown = shown(command, 6);
    assert!(
        shown.contains("tokens.db.lock") && shown.contains("check owner and permissions"),
        "{shown}"
    );
}

/// A longer line is one that cannot be wrapped: an address, a usage, an option with the name of its value.
#[test]
fn forty_columns() {
    let cli = new_user();
    for arguments in [&["--help"][..], &["login", "--help"], &["help", "store"]] {
        let narrow = by_shell("stty rows 24 cols 40", &cli.command(arguments));
        let help = without_sequences(&shown(narrow, 0));
        assert!(help.lines().count() > 20, "{help}");
        for line in help.lines().filter(|line| line.chars().count() > 40) {
            let line = line.trim();
            assert!(
                !line.contains(' ') || line.starts_with("--") || line.starts_with("Usage:"),
                "{arguments:?}: {line}"
            );
        }
    }
}

fn without_sequences(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

#[test]
fn without_colours() {
    let cli = with_a_token();
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        for (arguments, code) in [
            (&["--help"][..], 0),
            (&["lst"], 2),
            (&["list", "--long"], 0),
            (&["doctor"], 0),
            (&["migrate", &cli.url, "memory:", "--dry-run"], 0),
        ] {
            // Set by a shell, which comes after what a terminal is given here.
            let script = format!("export {name}={value}");
            let shown = shown(by_shell(&script, &cli.command(arguments)), code);
            assert!(
                !shown.is_empty() && !is_coloured(&shown),
                "{name}: {arguments:?}: {shown:?}"
            );
            assert!(
                name == "NO_COLOR" || !shown.contains('\u{1b}'),
                "{arguments:?}: {shown:?}"
            );
        }
    }
    for arguments in [&["--help"][..], &["list", "--long"]] {
        assert!(!cli.run(arguments).succeeded().stdout.contains('\u{1b}'));
    }
}

fn is_coloured(text: &str) -> bool {
    let mut sequences = text.split("\u{1b}[").skip(1);
    sequences.any(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .starts_with('m')
    })
}

#[test]
fn another_locale() {
    let cli = with_a_token();
    for (arguments, code) in [
        (&["get", "rs", "--json"][..], 0),
        (&["doctor"], 0),
        (&["get", "none"], 3),
        (&["lst"], 2),
    ] {
        let said = |locale: &str| {
            let mut command = cli.command(arguments);
            command.env("LC_ALL", locale).env("LANG", locale).env("LANGUAGE", "de");
            shown(command, code)
        };
        assert_eq!(said("de_DE.UTF-8"), said("C"), "{arguments:?}");
    }
}

/// What draws with characters is read out as noise: tables are words in columns, and `--json` is one value.
#[test]
fn for_a_screen_reader() {
    let cli = with_a_token();
    let drawn = |c: char| ('\u{2500}'..='\u{259f}').contains(&c) || ('\u{2800}'..='\u{28ff}').contains(&c);
    for arguments in [&["list", "--long"][..], &["info"], &["doctor"], &["get", "rs"]] {
        let text = shown(cli.command(arguments), 0);
        assert!(
            !text.contains(drawn) && !text.contains('\u{1b}'),
            "{arguments:?}: {text:?}"
        );
        let json = shown(cli.command(&[arguments, &["--json"]].concat()), 0);
        let parsed: serde_json::Value = serde_json::from_str(&json).expect("one value");
        assert!(parsed.is_object() || parsed.is_array(), "{arguments:?}");
    }
}
