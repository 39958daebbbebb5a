//! Writes that fail, on real full disks, read-only file systems and at real limits. Each scenario runs in a process of
//! its own, in a mount namespace where it needs one. What the machine cannot do is reported as ignored, with the reason.

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod common;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    unix::main()
}

#[cfg(unix)]
mod unix {
    use std::{
        fs,
        os::unix::process::{CommandExt as _, ExitStatusExt as _},
        path::Path,
        process::{Command, ExitCode, ExitStatus},
        time::{Duration, Instant},
    };

    use libtest_mimic::{Arguments, Failed, Trial};
    use token_storage_core::{Error, ErrorKind, Precondition, TokenStorage, TokenStorageExt as _};
    use token_storage_json::{JsonStorage, examine};
    use tokio::runtime::{Builder, Runtime};

    use crate::common::{Site, data, key, mode, names, set_mode, store, token};

    const SCENARIO: &str = "TOKEN_STORAGE_JSON_TEST_SCENARIO";
    const NOBODY: u32 = 65_534;

    pub(crate) fn main() -> ExitCode {
        if let Ok(scenario) = std::env::var(SCENARIO) {
            let (name, path) = scenario.split_once(' ').unwrap();
            run_scenario(name, Path::new(path));
            return ExitCode::SUCCESS;
        }
        let mount = "mount -t tmpfs -o size=256k,mode=0700 tmpfs \"$DIRECTORY\" && exec \"$BINARY\"";
        let read_only = "mount -t tmpfs -o size=256k,mode=0700 tmpfs \"$DIRECTORY\" && PREPARE=1 \"$BINARY\" \
                         && mount -o remount,ro \"$DIRECTORY\" && exec \"$BINARY\"";
        let namespaces = Command::new("unshare")
            .args(["-rm", "true"])
            .status()
            .is_ok_and(|status| status.success());
        let root = rustix::process::geteuid().is_root();
        let trials = vec![
            trial("d2_a_full_disk", namespaces, move || in_namespace("full", mount)),
            trial("d2_a_read_only_file_system", namespaces, move || {
                in_namespace("read-only", read_only)
            }),
            trial("d4_a_umask_that_leaves_the_owner_nothing", true, strict_umask),
            trial("d2_a_file_size_limit", true, file_size_limit),
            trial("d2_few_descriptors", true, descriptor_limit),
            trial("d2_killed_by_a_file_size_limit", true, killed_by_file_size_limit),
            trial("d4_what_root_writes_stays_its_owners", root, written_by_root),
            trial("d2_directories_and_files_without_permission", root, without_permission),
        ];
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    }

    fn trial(name: &str, possible: bool, run: impl FnOnce() -> ExitStatus + Send + 'static) -> Trial {
        if !possible {
            eprintln!("{name} is ignored: it needs mount namespaces (unshare -rm) or to be run as root");
        }
        let check = move || {
            let status = run();
            if status.success() {
                Ok(())
            } else {
                Err(Failed::from(format!("the scenario ended with {status}")))
            }
        };
        Trial::test(name, check).with_ignored_flag(!possible)
    }

    fn scenario(name: &str, path: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(SCENARIO, format!("{name} {}", path.display()));
        command
    }

    fn shell(name: &str, site: &Site, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .env("BINARY", std::env::current_exe().unwrap())
            .env("DIRECTORY", site.directory.path())
            .env(SCENARIO, format!("{name} {}", site.path.display()));
        command
    }

    fn in_namespace(name: &str, script: &str) -> ExitStatus {
        let site = Site::new();
        let inner = shell(name, &site, script);
        let mut command = Command::new("unshare");
        command.arg("-rm").arg(inner.get_program()).args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.status().unwrap()
    }

    fn run_scenario(name: &str, path: &Path) {
        let runtime = Builder::new_current_thread().build().unwrap();
        match name {
            "full" => full(&runtime, path),
            "read-only" => read_only(&runtime, path),
            "limited" => limited(&runtime, path),
            "crowded" => crowded(&runtime, path),
            "umask" => umask(&runtime, path),
            "as-owner" => as_owner(&runtime, path),
            "no-permission" => no_permission(&runtime, path),
            other => panic!("no such scenario: {other}"),
        }
    }

    /// Fills the storage until it fails, and returns the error and what was stored before it.
    fn fill(runtime: &Runtime, storage: &JsonStorage) -> (Error, usize) {
        for n in 0..1000 {
            let record = data(&"x".repeat(4000));
            let stored = runtime.block_on(storage.store(&key(&n.to_string()), &record, Precondition::Any));
            if let Err(error) = stored {
                return (error, n);
            }
        }
        panic!("nothing was ever full");
    }

    /// Everything is as before a write that failed.
    fn assert_unharmed(runtime: &Runtime, path: &Path, storage: &JsonStorage, count: usize) {
        for handle in [storage, &JsonStorage::open(path).unwrap()] {
            for n in 0..count {
                assert!(
                    runtime.block_on(token(handle, &n.to_string())).is_some(),
                    "{n} of {count}"
                );
            }
            assert_eq!(runtime.block_on(token(handle, &count.to_string())), None);
        }
        let mut found = names(path.parent().unwrap());
        found.retain(|name| !name.ends_with(".leases"));
        assert_eq!(found, ["tokens.json", "tokens.json.lock"], "no stray files");
    }

    fn prove_writable(runtime: &Runtime, storage: &JsonStorage) -> Result<(), Error> {
        runtime.block_on(storage.prove_writable(&key("0")))
    }

    fn full(runtime: &Runtime, path: &Path) {
        let storage = JsonStorage::open(path).unwrap();
        runtime.block_on(store(&storage, "0", "at")).unwrap();
        prove_writable(runtime, &storage).unwrap();
        let (error, count) = fill(runtime, &storage);
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        assert!(!error.may_have_applied());
        assert!(count > 10);
        assert_unharmed(runtime, path, &storage, count);
        assert_eq!(
            prove_writable(runtime, &storage).unwrap_err().kind(),
            ErrorKind::StorageFull
        );
        assert_unharmed(runtime, path, &storage, count);
        // Room again: the same storage goes on.
        for n in 0..count {
            remove_once_there_is_room(runtime, &storage, &n.to_string());
        }
        runtime.block_on(store(&storage, "0", "at")).unwrap();
    }

    /// The handles that were opened to look keep the old file open until their threads have ended.
    fn remove_once_there_is_room(runtime: &Runtime, storage: &JsonStorage, name: &str) {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            match runtime.block_on(storage.remove(&key(name), Precondition::Any)) {
                Ok(removed) => return assert!(removed),
                Err(error) if error.kind() == ErrorKind::StorageFull && Instant::now() < patience => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn read_only(runtime: &Runtime, path: &Path) {
        let storage = JsonStorage::open(path).unwrap();
        if std::env::var_os("PREPARE").is_some() {
            runtime.block_on(store(&storage, "0", "at")).unwrap();
            return;
        }
        let before = fs::read(path).unwrap();
        let error = runtime.block_on(store(&storage, "0", "at2")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(!error.may_have_applied());
        let error = runtime
            .block_on(storage.remove(&key("0"), Precondition::Any))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert_eq!(
            prove_writable(runtime, &storage).unwrap_err().kind(),
            ErrorKind::PermissionDenied
        );
        assert_unharmed(runtime, path, &storage, 1);
        assert_eq!(fs::read(path).unwrap(), before);
        let new = JsonStorage::open(path.with_file_name("new").join("tokens.json")).unwrap();
        assert_eq!(runtime.block_on(token(&new, "0")), None);
        assert!(!runtime.block_on(new.remove(&key("0"), Precondition::Any)).unwrap());
        let error = runtime.block_on(store(&new, "0", "at")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(examine(path).iter().all(|finding| !finding.message.contains("damaged")));
        assert!(
            examine(path)
                .iter()
                .any(|finding| finding.message.contains("not stored"))
        );
    }

    fn strict_umask() -> ExitStatus {
        shell("umask", &Site::new(), "umask 777; exec \"$BINARY\"")
            .status()
            .unwrap()
    }

    /// Nothing may come out wider for that, and nothing narrower than its owner needs.
    fn umask(runtime: &Runtime, path: &Path) {
        let folder = path.with_file_name("a").join("b");
        let storage = JsonStorage::open(folder.join("tokens.json")).unwrap();
        for name in ["0", "1"] {
            runtime.block_on(store(&storage, name, "at")).unwrap();
            prove_writable(runtime, &storage).unwrap();
        }
        runtime
            .block_on(storage.lease().unwrap().try_acquire(&key("0")))
            .unwrap();
        let lease = fs::read_dir(folder.join("tokens.json.leases")).unwrap().next().unwrap();
        let files = [
            folder.join("tokens.json"),
            folder.join("tokens.json.lock"),
            lease.unwrap().path(),
        ];
        assert_eq!(files.map(|file| mode(&file)), [0o600; 3]);
        let folders = [path.with_file_name("a"), folder.join("tokens.json.leases"), folder];
        assert_eq!(folders.map(|folder| mode(&folder) & 0o777), [0o700; 3]);
    }

    /// With the signal ignored, as a careful program has it.
    fn file_size_limit() -> ExitStatus {
        let site = Site::new();
        let script = "trap '' XFSZ; ulimit -f 64; exec \"$BINARY\"";
        shell("limited", &site, script).status().unwrap()
    }

    fn limited(runtime: &Runtime, path: &Path) {
        let storage = JsonStorage::open(path).unwrap();
        let (error, count) = fill(runtime, &storage);
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        assert_unharmed(runtime, path, &storage, count);
        assert_eq!(
            prove_writable(runtime, &storage).unwrap_err().kind(),
            ErrorKind::StorageFull
        );
        let removed = runtime.block_on(storage.remove(&key("0"), Precondition::Any)).unwrap();
        assert!(removed, "a smaller file can be written");
    }

    fn descriptor_limit() -> ExitStatus {
        let site = Site::new();
        shell("crowded", &site, "ulimit -n 64; exec \"$BINARY\"")
            .status()
            .unwrap()
    }

    /// With no descriptor left, one, two, and so on: read and stored, or told why not, as something that passes.
    fn crowded(runtime: &Runtime, path: &Path) {
        runtime
            .block_on(store(&JsonStorage::open(path).unwrap(), "rs", "at"))
            .unwrap();
        let mut held: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
        let (mut refused, mut stored) = (0, 0);
        while held.pop().is_some() {
            // A new one each time: what an earlier one has open is not counted.
            let storage = JsonStorage::open(path).unwrap();
            let done = runtime.block_on(async {
                let found = storage.get(&key("rs")).await?;
                assert_eq!(found.unwrap().data.access_token.expose(), "at");
                storage.store(&key("new"), &data("x"), Precondition::Any).await
            });
            let Err(error) = done else {
                stored += 1;
                continue;
            };
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.is_retryable(), "{error}");
            assert!(error.to_string().contains("ulimit -n"), "{error}");
            refused += 1;
        }
        assert!(refused > 0 && stored > 0, "{refused} refused, {stored} stored");
        println!("refused with 1 to {refused} descriptors");
    }

    /// Without, the operating system kills the writer.
    fn killed_by_file_size_limit() -> ExitStatus {
        let site = Site::new();
        let status = shell("limited", &site, "ulimit -f 64; exec \"$BINARY\"")
            .status()
            .unwrap();
        assert!(status.signal().is_some(), "{status}");
        assert!(
            site.names().iter().any(|name| name.ends_with(".tmp")),
            "the kill left a temporary file"
        );
        let runtime = Builder::new_current_thread().build().unwrap();
        let storage = site.open();
        let count = (0..)
            .take_while(|n| runtime.block_on(token(&storage, &n.to_string())).is_some())
            .count();
        assert!(count > 2);
        assert!(runtime.block_on(storage.remove(&key("0"), Precondition::Any)).unwrap());
        assert_eq!(site.names(), ["tokens.json", "tokens.json.lock"]);
        ExitStatus::default()
    }

    /// Root may do everything, so the scenario runs as nobody.
    fn without_permission() -> ExitStatus {
        let site = Site::new();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(store(&site.open(), "0", "at")).unwrap();
        for path in [
            site.directory.path(),
            &site.path,
            &site.path.with_file_name("tokens.json.lock"),
        ] {
            std::os::unix::fs::chown(path, Some(NOBODY), None).unwrap();
        }
        scenario("no-permission", &site.path).uid(NOBODY).status().unwrap()
    }

    /// `sudo` must not lock a user out of his own tokens.
    fn written_by_root() -> ExitStatus {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let site = Site::new();
        let runtime = Builder::new_current_thread().build().unwrap();
        fs::write(&site.path, "").unwrap();
        for path in [site.directory.path(), &site.path] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let storage = site.open();
        runtime.block_on(store(&storage, "0", "at")).unwrap();
        assert!(prove_writable(&runtime, &storage).is_ok());
        for name in site.names() {
            let found = fs::metadata(site.path.with_file_name(&name)).unwrap();
            assert_eq!(found.uid(), NOBODY, "{name}");
        }
        assert_eq!(
            scenario("as-owner", &site.path).uid(NOBODY).status().unwrap().code(),
            Some(0)
        );
        // In a directory of somebody else's, as in /tmp, a file that was put there does not get root's tokens.
        chown(site.directory.path(), Some(0), None).unwrap();
        runtime.block_on(store(&storage, "0", "at")).unwrap();
        assert_eq!(fs::metadata(&site.path).unwrap().uid(), 0);
        ExitStatus::default()
    }

    fn as_owner(runtime: &Runtime, path: &Path) {
        let storage = JsonStorage::open(path).unwrap();
        assert_eq!(runtime.block_on(token(&storage, "0")).unwrap(), "at");
        runtime.block_on(store(&storage, "1", "at")).unwrap();
        prove_writable(runtime, &storage).unwrap();
    }

    fn no_permission(runtime: &Runtime, path: &Path) {
        let directory = path.parent().unwrap();
        let storage = JsonStorage::open(path).unwrap();
        set_mode(directory, 0o500);
        let error = runtime.block_on(store(&storage, "0", "at2")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.to_string().contains(directory.to_str().unwrap()), "{error}");
        assert_unharmed(runtime, path, &storage, 1);
        // It can be written to, but not opened: nothing could be made durable, and that is found out before anything is done.
        set_mode(directory, 0o300);
        let before = fs::read(path).unwrap();
        let error = runtime.block_on(store(&storage, "0", "at2")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(!error.may_have_applied(), "{error}");
        let error = prove_writable(runtime, &storage).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert_eq!(fs::read(path).unwrap(), before);
        set_mode(directory, 0o500);
        set_mode(path, 0o000);
        let fresh = JsonStorage::open(path).unwrap();
        let error = runtime.block_on(fresh.get(&key("0"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "never \"absent\": {error}");
        assert!(examine(path).iter().any(|finding| finding.message.contains("read")));
        set_mode(directory, 0o000);
        let error = JsonStorage::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        let error = runtime.block_on(storage.get(&key("0"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        set_mode(directory, 0o700);
        set_mode(path, 0o600);
        runtime.block_on(store(&storage, "0", "at3")).unwrap();
        assert_eq!(runtime.block_on(token(&fresh, "0")).unwrap(), "at3");
    }
}
