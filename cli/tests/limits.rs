//! The command where few files may be open at once, as a shell's `ulimit -n` says.
#![cfg(all(target_os = "linux", any(feature = "json", feature = "sqlite")))]

mod common;

use std::process::Command;

use common::{Cli, Ran, by_shell};

const SCHEMES: &[&str] = &[
    #[cfg(feature = "json")]
    "json",
    #[cfg(feature = "sqlite")]
    "sqlite",
];

/// From what nothing can be done with to more than anything needs.
const LIMITS: [u32; 13] = [3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 24, 36, 48];

/// What a command ends with that must not be begun.
const TOO_FEW: i32 = 6;

/// Runs it and says whether it was let begin; a refusal says why.
#[track_caller]
fn begins(command: &Command, limit: u32) -> bool {
    let ran = Ran::of(by_shell(&format!("ulimit -n {limit}"), command).output().unwrap());
    if limit == 3 {
        // Not even the system's loader can begin.
        assert_eq!(ran.code, Some(127), "{ran:#?}");
        return false;
    }
    if ran.code != Some(TOO_FEW) {
        ran.ended(0);
        return true;
    }
    assert_eq!(ran.stdout, "", "{ran:#?}");
    ran.ended(TOO_FEW).says("ulimit -n").says("Too many open files");
    false
}

/// Once it is let begin, it is with more, too.
#[track_caller]
fn at_each_limit(command: &Command, limits: impl Iterator<Item = u32>, after_each: impl Fn(bool)) {
    let mut has_begun = false;
    for limit in limits {
        let began = begins(command, limit);
        assert!(began || !has_begun, "it begins with fewer, and not with {limit}");
        has_begun = began;
        after_each(began);
    }
    assert!(has_begun, "it never began");
}

#[test]
fn d2_few_open_files_are_an_error_and_lose_nothing() {
    let named = |name: &str| format!(r#"{{"access_token":"canary-{name}","resource_server":"{name}"}}"#);
    for scheme in SCHEMES {
        let cli = Cli::new(scheme);
        cli.store(&named("kept"));
        let kept = || cli.run(&["get", "kept", "--reveal", "--json"]).succeeded().stdout;
        let before = kept();
        for arguments in [
            &["get", "kept"][..],
            &["list", "--long"],
            &["list", "--json"],
            &["namespaces"],
            &["info"],
            &["doctor"],
            &["access-token", "kept"],
            &["exec", "--rs", "kept", "--", "true"],
            &["store", "other.json"],
            &["remove", "other"],
            #[cfg(feature = "oauth")]
            &["logout", "--local-only", "other"],
            &["man"],
        ] {
            std::fs::write(cli.folder().join("other.json"), named("other")).unwrap();
            cli.store(&named("other"));
            at_each_limit(&cli.command(arguments), LIMITS.into_iter(), |began| {
                assert_eq!(kept(), before, "{arguments:?}");
                if ["remove", "logout"].contains(&arguments[0]) {
                    cli.run(&["get", "other"]).ended(if began { 3 } else { 0 });
                    cli.store(&named("other"));
                }
            });
        }
    }
}

/// A refresh token that was spent where its successor cannot be stored would be a login that is lost.
#[cfg(feature = "oauth")]
#[test]
fn l6_no_refresh_token_is_spent_where_files_are_few() {
    use common::world::{GROUPS, World};
    for scheme in SCHEMES {
        let world = World::expired(scheme);
        let spent = || world.server.refresh_requests();
        let before = std::cell::Cell::new(0);
        at_each_limit(
            &world.command(&["access-token", "--refresh", GROUPS]),
            3..=48,
            |began| {
                // Each uses the token that the one before it has stored.
                assert_eq!(spent(), before.get() + usize::from(began));
                before.set(spent());
                world
                    .run(&["access-token", "--no-refresh", GROUPS])
                    .ended(if spent() > 0 { 0 } else { 4 });
            },
        );
        assert_eq!(world.server.reuse_detections(), 0);
    }
}
