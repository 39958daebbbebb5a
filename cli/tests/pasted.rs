//! A token that is pasted by mistake anywhere on the command line is in no message.

mod common;

use common::{CANARY, Cli};

/// Looks like any token, and is one word.
const TOKEN: &str = "canary0Ag1VJx_w7-kPq2Zr";

/// The commands, as the command tells them.
fn commands(cli: &Cli) -> Vec<String> {
    let help = cli.run(&["--help"]).succeeded().stdout;
    let listed = help.split("Commands:").nth(1).expect("a list of commands");
    let listed = listed.split("\nOptions:").next().unwrap();
    let names = listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The options of a command that take a value, and how many positional arguments it has.
fn positions(cli: &Cli, command: &str) -> (Vec<String>, usize) {
    let help = cli.run(&[command, "--help"]).succeeded().stdout;
    let lines = help.lines().map(str::trim_start);
    let options = lines
        .clone()
        .filter(|line| line.starts_with("--") || line.starts_with('-'));
    let long = options.filter(|line| line.contains(" <")).filter_map(|line| {
        let name = line.split_whitespace().find(|word| word.starts_with("--"))?;
        Some(name.trim_end_matches(',').to_owned())
    });
    let positional = lines
        .filter(|line| line.starts_with('[') || line.starts_with('<'))
        .count();
    (long.collect(), positional)
}

fn assert_silent(cli: &Cli, arguments: &[&str], jsons: &[bool]) {
    for &json in jsons {
        let json: &[&str] = if json { &["--json"] } else { &[] };
        let mut command = cli.command(&[json, arguments].concat());
        let output = command.env("PATH", "").output().unwrap();
        // Once there is a file of this name, it is the place of something and may be told.
        let _ = std::fs::remove_file(cli.folder().join(TOKEN));
        let ran = common::Ran::of(output);
        assert!(
            !without_addresses(&ran.stderr).contains(CANARY),
            "{arguments:?}: {ran:?}"
        );
        // What was done with it as a name may be told, but not with an error.
        assert!(
            ran.code == Some(0) || !ran.stdout.contains(CANARY),
            "{arguments:?}: {ran:?}"
        );
    }
}

/// The address to log in at holds what is asked for, and is no message about it.
fn without_addresses(stderr: &str) -> String {
    let mut parts = stderr.split("http://");
    let before = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once([' ', '\n', '\\']).map_or("", |(_, rest)| rest));
    before + &rest.collect::<String>()
}

/// The token in each position of a command.
fn lines(cli: &Cli, command: &str) -> Vec<Vec<String>> {
    let (options, positional) = positions(cli, command);
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut line = |words: &[&str]| lines.push(words.iter().map(|word| (*word).to_owned()).collect());
    for option in &options {
        let joined = format!("{option}={TOKEN}");
        for rest in [&[][..], &["rs"]] {
            line(&[&[command, option, TOKEN], rest].concat());
            line(&[&[command, &joined], rest].concat());
        }
    }
    for count in 0..=positional {
        let before = [&[command][..], &vec!["rs"; count]].concat();
        for word in ["T", "--T", "-T", "--quoted=T"] {
            line(&[&before[..], &[&word.replace('T', TOKEN)]].concat());
        }
        line(&[&before[..], &["--quoted", &format!("\"{TOKEN}\"")]].concat());
        line(&[&before[..], &["--", TOKEN]].concat());
    }
    lines
}

/// How many positions of a command were tried.
fn try_each_position(command: &str) -> usize {
    let cli = Cli::new("memory");
    let lines = lines(&cli, command);
    for (number, line) in lines.iter().enumerate() {
        let mut line: Vec<&str> = line.iter().map(String::as_str).collect();
        if command == "bench" && !line.iter().any(|word| word.starts_with("--budget") || *word == "--") {
            line.extend(["--budget", "1ms"]);
        }
        assert_silent(&cli, &line, &[number % 2 == 0]);
    }
    lines.len()
}

#[test]
fn no_message_repeats_what_may_be_a_token() {
    let cli = Cli::new("memory");
    let commands = commands(&cli);
    assert!(commands.len() > 10, "{commands:?}");
    // Side by side: some wait.
    let tried: usize = std::thread::scope(|scope| {
        let start = |command| scope.spawn(move || try_each_position(command));
        let running: Vec<_> = commands.iter().map(String::as_str).map(start).collect();
        running
            .into_iter()
            .map(|tried| tried.join().expect("each position was tried"))
            .sum()
    });
    for line in [
        &[TOKEN][..],
        &["--storage", TOKEN, "list"],
        &["help", TOKEN],
        &["get", "rs", "--format", TOKEN],
    ] {
        assert_silent(&cli, line, &[false, true]);
    }
    assert!(tried > 150, "{tried} positions");
}

/// With a storage that answers and one that does not.
#[cfg(feature = "json")]
#[test]
fn errors_of_a_storage_do_not_repeat_it_either() {
    for content in [
        r#"{"data":{},"format_version":"2.0","globus-sdk.version":"4"}"#,
        "damaged",
    ] {
        let cli = Cli::new("json");
        std::fs::write(cli.file(), content).unwrap();
        for line in [
            &["get", TOKEN][..],
            &["access-token", TOKEN],
            &["access-token", TOKEN, "--no-refresh"],
            &["remove", TOKEN],
            &["logout", TOKEN],
            &["whoami", TOKEN],
            &["exec", "--rs", TOKEN, "--", "true"],
            &["list", "--namespace", TOKEN],
            &["list", "--long", "--namespace", TOKEN],
            &["logout", "--all", "--namespace", TOKEN],
            &["get", "rs", "--namespace", TOKEN],
        ] {
            assert_silent(&cli, line, &[false, true]);
        }
    }
}
