//! What a new user meets: the command alone, typos, odd arguments, Ctrl-C while it reads.
#![cfg(unix)]

mod common;

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use common::{CANARY, Cli, terminal::in_terminal};
use rexpect::process::{Signal, WaitStatus};

#[test]
fn alone_it_says_what_to_do_first() {
    let cli = Cli::new("memory");
    let ran = cli
        .run::<&str>(&[])
        .ended(2)
        .says("To begin:")
        .says("token-storage store FILE");
    assert!(!ran.stderr.contains("error"), "nothing went wrong: {}", ran.stderr);
    let home = cli.folder().display().to_string();
    let ran = ran.says(&format!("Tokens are kept in {home}"));
    for line in ran
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("  token-storage "))
    {
        let command = line.split(' ').next().unwrap();
        cli.run(&[command, "--help"]).succeeded();
    }
    #[cfg(feature = "oauth")]
    ran.says("token-storage login ");
}

#[test]
fn a_command_of_several_shows_them() {
    let ran = Cli::new("memory").run(&["credential"]).ended(2).says("git, docker");
    ran.says("'token-storage credential' requires a subcommand");
}

#[test]
fn a_typo_is_answered_with_what_is_like_it() {
    let cli = Cli::new("memory");
    for (typo, meant) in [
        (&["lst"][..], "'list'"),
        (&["access-tokn", "rs"], "'access-token'"),
        (&["get", "--reveel", "rs"], "'--reveal'"),
        (&["--namspace", "x", "list"], "'--namespace'"),
        (&["get", "rs", "--format", "jsn"], "'json'"),
        (&["completions", "bsh"], "'bash'"),
    ] {
        let ran = cli.run(typo).ended(2).says("similar").says(meant);
        assert!(
            ran.stderr.contains("..."),
            "what was typed may be a token: {}",
            ran.stderr
        );
    }
}

#[test]
fn an_argument_that_is_no_unicode_is_told() {
    let cli = Cli::new("memory");
    let odd = OsStr::from_bytes(b"canary\xff");
    for arguments in [
        &[OsStr::new("get"), odd][..],
        &[OsStr::new("store"), odd],
        &[OsStr::new("list"), OsStr::new("--namespace"), odd],
    ] {
        cli.run(arguments).ended(2).says("not valid UTF-8").says("--quoted");
    }
}

#[test]
fn no_color_means_none() {
    let cli = Cli::new("memory");
    for (variable, coloured) in [("NO_COLOR", false), ("COLORTERM", true)] {
        let mut command = cli.command(&["--help"]);
        command
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env(variable, "1");
        let shown = in_terminal(command).exp_eof().unwrap();
        assert_eq!(shown.contains('\u{1b}'), coloured, "{variable}");
    }
}

#[test]
fn ctrl_c_ends_a_command_that_reads_from_the_terminal() {
    let cli = Cli::new("memory");
    for arguments in [
        &["store"][..],
        &["credential", "git", "get"],
        &["credential", "docker", "get"],
        #[cfg(feature = "oauth")]
        &["access-token", "rs", "--rejected", "-"],
    ] {
        let mut terminal = in_terminal(cli.command(arguments));
        terminal.exp_string("end it with Ctrl-D").unwrap();
        terminal.send_control('c').unwrap();
        let ended = terminal.process().wait().unwrap();
        assert!(
            matches!(ended, WaitStatus::Signaled(_, Signal::SIGINT, _)),
            "{arguments:?}: {ended:?}"
        );
    }
}

#[test]
fn the_manual_pages_of_all_commands_are_written_as_files() {
    let cli = Cli::new("memory");
    let folder = cli.folder().join("man1");
    cli.run(&["man", "--all", folder.to_str().unwrap()])
        .ended(1)
        .says("cannot be written");
    std::fs::create_dir(&folder).unwrap();
    cli.run(&["man", "--all", folder.to_str().unwrap()]).succeeded();
    for page in [
        "token-storage.1",
        "token-storage-get.1",
        "token-storage-credential-git.1",
    ] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".TH") && !text.contains(CANARY), "{page}");
    }
    let pages = std::fs::read_dir(&folder).unwrap();
    let names = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let of_help: Vec<String> = names.filter(|name| name.contains("help")).collect();
    assert!(of_help.is_empty(), "nobody looks for a page of `help`: {of_help:?}");
    cli.run(&["man", "get", "--all", CANARY]).ended(2);
}
