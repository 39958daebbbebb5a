//! Writes that fail on a full disk and on a read-only file system, both real: each scenario runs in a process and a mount
//! namespace of its own. What the machine cannot do is reported as ignored, with the reason.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod common;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs,
        path::Path,
        process::{Command, ExitCode},
    };

    use libtest_mimic::{Arguments, Failed, Trial};
    use token_storage_core::{Error, ErrorKind, Precondition, TokenStorage, TokenStorageExt as _};
    use token_storage_sqlite::{SqliteStorage, examine};
    use tokio::runtime::{Builder, Runtime};

    use crate::common::{data, key, token};

    const SCENARIO: &str = "TOKEN_STORAGE_SQLITE_TEST_SCENARIO";
    const MOUNT: &str = "mount -t tmpfs -o size=256k,mode=0700 tmpfs \"$DIRECTORY\"";

    pub(crate) fn main() -> ExitCode {
        if let Ok(scenario) = std::env::var(SCENARIO) {
            let (name, path) = scenario.split_once(' ').unwrap();
            run_scenario(name, Path::new(path));
            return ExitCode::SUCCESS;
        }
        let full = format!("{MOUNT} && exec \"$BINARY\"");
        let read_only =
            format!("{MOUNT} && PREPARE=1 \"$BINARY\" && mount -o remount,ro \"$DIRECTORY\" && exec \"$BINARY\"");
        // Root's capabilities would open it all the same.
        let closed = "chmod 300 \"$DIRECTORY\"; setpriv --bounding-set=-all --inh-caps=-all \"$BINARY\"; ended=$?; \
                      chmod 700 \"$DIRECTORY\"; exit $ended"
            .to_owned();
        let trials = vec![
            trial("d2_a_full_disk", "full", full),
            trial("d2_a_read_only_file_system", "read-only", read_only),
            trial("d2_a_disk_of_any_size", "sizes", "exec \"$BINARY\"".to_owned()),
            trial("d2_a_folder_that_cannot_be_opened", "closed", closed),
            trial(
                "d3_a_file_that_is_a_mount_point",
                "mount-point",
                "exec \"$BINARY\"".to_owned(),
            ),
        ];
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    }

    fn trial(name: &str, scenario: &'static str, script: String) -> Trial {
        let tried = Command::new("unshare").args(["-rm", "true"]).status();
        let possible = tried.is_ok_and(|status| status.success());
        if !possible {
            eprintln!("{name} is ignored: it needs mount namespaces (unshare -rm)");
        }
        let run = move || in_namespace(scenario, &script);
        Trial::test(name, run).with_ignored_flag(!possible)
    }

    fn in_namespace(scenario: &str, script: &str) -> Result<(), Failed> {
        let folder = tempfile::tempdir()?;
        let status = Command::new("unshare")
            .args(["-rm", "sh", "-c", script])
            .env("BINARY", std::env::current_exe()?)
            .env("DIRECTORY", folder.path())
            .env(
                SCENARIO,
                format!("{scenario} {}", folder.path().join("tokens.db").display()),
            )
            .status()?;
        if status.success() {
            return Ok(());
        }
        Err(Failed::from(format!("the scenario ended with {status}")))
    }

    fn run_scenario(name: &str, path: &Path) {
        let runtime = Builder::new_current_thread().build().unwrap();
        match name {
            "full" => full(&runtime, path),
            "read-only" => read_only(&runtime, path),
            "sizes" => sizes(&runtime, path),
            "mount-point" => mount_point(&runtime, path),
            "closed" => closed(&runtime, path),
            other => panic!("no such scenario: {other}"),
        }
    }

    fn store(runtime: &Runtime, storage: &SqliteStorage, name: &str, bytes: usize) -> Result<(), Error> {
        let record = data(&"x".repeat(bytes));
        let stored = runtime.block_on(storage.store(&key(name), &record, Precondition::Any));
        stored.map(|_| ())
    }

    fn stored(runtime: &Runtime, storage: &SqliteStorage, name: &str) -> bool {
        runtime.block_on(token(storage, name)).is_some()
    }

    /// Takes all the room that is left.
    fn fill(path: &Path) {
        use std::io::Write as _;
        let mut file = fs::File::create(path).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }

    fn full(runtime: &Runtime, path: &Path) {
        let filler = path.with_file_name("filler");
        store(runtime, &SqliteStorage::open(path).unwrap(), "old", 4000).unwrap();
        fill(&filler);
        // The files of the write-ahead log are gone, and there is no room to make them again.
        for _ in 0..2 {
            let storage = SqliteStorage::open(path).unwrap();
            assert!(stored(runtime, &storage, "old"), "what is there can be read");
            assert!(!stored(runtime, &storage, "new"));
            let error = store(runtime, &storage, "new", 4000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
            assert!(!error.may_have_applied());
            assert!(error.to_string().contains("make room"), "{error}");
            assert!(stored(runtime, &storage, "old"), "after a failed write, too");
            assert!(!stored(runtime, &storage, "new"));
        }
        fs::remove_file(&filler).unwrap();
        let storage = SqliteStorage::open(path).unwrap();
        store(runtime, &storage, "new", 4000).unwrap();
        // Now with all files there, and with a write that fits in part.
        fill(&filler);
        let error = store(runtime, &storage, "large", 60_000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        for handle in [&storage, &SqliteStorage::open(path).unwrap()] {
            assert!(stored(runtime, handle, "old") && stored(runtime, handle, "new"));
            assert!(!stored(runtime, handle, "large"));
        }
        fs::remove_file(&filler).unwrap();
        store(runtime, &storage, "large", 60_000).unwrap();
        assert!(stored(runtime, &SqliteStorage::open(path).unwrap(), "large"));
    }

    fn read_only(runtime: &Runtime, path: &Path) {
        let storage = SqliteStorage::open(path).unwrap();
        if std::env::var_os("PREPARE").is_some() {
            return store(runtime, &storage, "old", 10).unwrap();
        }
        let before = fs::read(path).unwrap();
        let error = store(runtime, &storage, "new", 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(!error.may_have_applied());
        let removed = runtime.block_on(storage.remove(&key("old"), Precondition::Any));
        assert_eq!(removed.unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(stored(runtime, &storage, "old"));
        assert_eq!(fs::read(path).unwrap(), before);
        assert!(
            examine(path)
                .iter()
                .any(|finding| finding.message.contains("not stored"))
        );
        let new = SqliteStorage::open(path.with_file_name("other.db")).unwrap();
        assert!(!stored(runtime, &new, "old"));
    }

    /// It can be written to, but no name in it made durable, which is found out before there is one.
    fn closed(runtime: &Runtime, path: &Path) {
        let storage = SqliteStorage::open(path).unwrap();
        for _ in 0..2 {
            let error = store(runtime, &storage, "new", 10).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(!error.may_have_applied(), "{error}");
            assert!(!path.exists());
        }
    }

    fn mount(arguments: &[&str], on: &Path) {
        let status = Command::new("mount").args(arguments).arg(on).status().unwrap();
        assert!(status.success(), "mount {arguments:?}");
    }

    /// From no room for an empty database to more than enough, a page at a time.
    fn sizes(runtime: &Runtime, path: &Path) {
        let (mut stored_at_once, mut refused) = (0, 0);
        for kilobytes in (8..=256).step_by(4) {
            let folder = path.with_file_name(format!("{kilobytes}"));
            fs::create_dir(&folder).unwrap();
            let size = |size: &str| format!("size={size},mode=0700");
            mount(
                &["-t", "tmpfs", "-o", &size(&format!("{kilobytes}k")), "tmpfs"],
                &folder,
            );
            let path = folder.join("tokens.db");
            match store(runtime, &SqliteStorage::open(&path).unwrap(), "rs", 1000) {
                Ok(()) => stored_at_once += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull, "{kilobytes}k: {error}");
                    assert!(!error.may_have_applied());
                    refused += 1;
                }
            }
            // SQLite itself cannot remove the files of its log where it found no room for them: the next use does.
            let left = crate::common::names(&folder);
            let ours = |name: &String| name.starts_with("tokens.db") && !name.contains("damaged");
            assert!(left.iter().all(ours), "{kilobytes}k: {left:?}");
            let damaged = |finding: &token_storage_core::Finding| finding.message.contains("damaged");
            assert!(
                !examine(&path).iter().any(damaged),
                "{kilobytes}k: {:?}",
                examine(&path)
            );
            mount(&["-o", "remount,size=1m"], &folder);
            store(runtime, &SqliteStorage::open(&path).unwrap(), "rs", 1000).unwrap();
            assert!(
                stored(runtime, &SqliteStorage::open(&path).unwrap(), "rs"),
                "{kilobytes}k"
            );
            assert_eq!(
                crate::common::names(&folder),
                ["tokens.db", "tokens.db.lock"],
                "{kilobytes}k"
            );
        }
        assert!(stored_at_once > 0 && refused > 0, "{stored_at_once} {refused}");
    }

    /// As a container mounts a single file: read, but not written, since two logs would be two truths.
    fn mount_point(runtime: &Runtime, path: &Path) {
        let outside = path.with_file_name("outside.db");
        store(runtime, &SqliteStorage::open(&outside).unwrap(), "rs", 10).unwrap();
        fs::write(path, "").unwrap();
        mount(&["--bind", outside.to_str().unwrap()], path);
        let before = fs::read(&outside).unwrap();
        let storage = SqliteStorage::open(path).unwrap();
        assert!(stored(runtime, &storage, "rs"));
        let error = store(runtime, &storage, "new", 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        assert!(error.to_string().contains("mount the folder"), "{error}");
        drop(storage);
        assert_eq!(fs::read(&outside).unwrap(), before);
        let told = examine(path);
        let told = told.iter().find(|finding| finding.advice.contains("mount the folder"));
        assert_eq!(told.unwrap().severity, token_storage_core::Severity::Error);
    }
}
