//! When a cached content may be trusted: each case is a way in which a prototype went wrong.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage_core::{TokenKey, backend::Clock};

use crate::{
    load,
    snapshot::{Content, PATH_CHECK, SETTLING, Sighting, Snapshot},
    stamp::Stamp,
};

/// A clock that moves when it is told to.
#[derive(Debug, Default)]
struct Manual(Mutex<Duration>);

impl Manual {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Manual {
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

struct Site {
    directory: tempfile::TempDir,
    path: PathBuf,
    clock: Manual,
    opened: AtomicUsize,
}

fn text(access_token: &str) -> String {
    format!(
        r#"{{"data": {{"DEFAULT": {{"rs": {{"resource_server": "rs", "scope": "", "access_token": "{access_token}"}}}}}}, "format_version": "2.0", "globus-sdk.version": "x"}}"#
    )
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.json");
        let site = Self {
            directory,
            path,
            clock: Manual::default(),
            opened: AtomicUsize::new(0),
        };
        site.write("one");
        site
    }

    /// In place, as Python does.
    fn write(&self, access_token: &str) {
        fs::write(&self.path, text(access_token)).unwrap();
    }

    /// As our writers do.
    fn replace(&self, access_token: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, text(access_token)).unwrap();
        fs::rename(new, &self.path).unwrap();
    }

    fn load(&self, before: Option<&Arc<Snapshot>>) -> Arc<Snapshot> {
        let opened = || {
            self.opened.fetch_add(1, Ordering::SeqCst);
        };
        load::load(&self.path, before.cloned(), &self.clock, &opened).unwrap()
    }

    fn settled(&self) -> Arc<Snapshot> {
        let first = self.load(None);
        self.clock.advance(SETTLING);
        let second = self.load(Some(&first));
        assert!(self.is_current(&second));
        second
    }

    fn is_current(&self, snapshot: &Snapshot) -> bool {
        snapshot.is_current(&self.path, &self.clock, PATH_CHECK).unwrap()
    }
}

fn token(snapshot: &Snapshot) -> String {
    let Content::Document(document) = &snapshot.content else {
        panic!("no document: {snapshot:?}");
    };
    let stored = document.get(&TokenKey::in_default("rs")).unwrap().unwrap();
    stored.data.access_token.expose().to_owned()
}

#[test]
fn a3_a_content_is_trusted_only_if_read_20_ms_after_its_stamp_was_first_seen() {
    let site = Site::new();
    let first = site.load(None);
    assert!(!site.is_current(&first));
    site.clock.advance(SETTLING - Duration::from_nanos(1));
    let second = site.load(Some(&first));
    assert!(!site.is_current(&second), "read too early");
    site.clock.advance(SETTLING);
    assert!(
        !site.is_current(&second),
        "time alone does not help: it must be read again"
    );
    let third = site.load(Some(&second));
    assert!(site.is_current(&third));
    let documents = [&first, &third].map(|snapshot| match &snapshot.content {
        Content::Document(document) => Arc::as_ptr(document),
        _ => panic!("no document"),
    });
    assert_eq!(documents[0], documents[1], "what has not changed is not parsed again");
    assert_eq!(site.opened.load(Ordering::SeqCst), 1, "nor opened again");
}

#[test]
fn a3_old_bytes_read_under_the_final_stamp_are_found_out() {
    // The kernel stamps a write before it copies the data; a reader in between has these old bytes and that stamp.
    let site = Site::new();
    let old = site.load(None);
    site.write("two");
    let file = fs::File::open(&site.path).unwrap();
    let stamp = Stamp::of(&file).unwrap();
    let now = site.clock.monotonic();
    let torn = Arc::new(Snapshot {
        content: old.content.clone(),
        sighting: Some(Sighting::read(Arc::new(file), stamp, now, now, now)),
    });
    assert!(!site.is_current(&torn));
    site.clock.advance(Duration::from_millis(5));
    let early = site.load(Some(&torn));
    assert_eq!(token(&early), "two", "until it is trusted it is compared with the file");
    assert!(!site.is_current(&early));
    site.clock.advance(SETTLING);
    assert!(site.is_current(&site.load(Some(&early))));
}

#[test]
fn a3_every_way_to_change_the_file_is_noticed_at_once() {
    type Change = (&'static str, fn(&Site));
    let changes: [Change; 5] = [
        ("in place", |site| site.write("two")),
        ("replaced", |site| site.replace("two")),
        ("replaced, with the old one hard-linked", |site| {
            fs::hard_link(&site.path, site.directory.path().join("link")).unwrap();
            site.replace("two");
        }),
        ("moved away", |site| {
            fs::rename(&site.path, site.directory.path().join("away")).unwrap();
            site.write("two");
        }),
        ("removed", |site| {
            fs::remove_file(&site.path).unwrap();
            site.write("two");
        }),
    ];
    for (how, change) in changes {
        let site = Site::new();
        let known = site.settled();
        change(&site);
        assert!(!site.is_current(&known), "{how}");
        assert_eq!(token(&site.load(Some(&known))), "two", "{how}");
    }
}

#[test]
fn a3_a_file_replaced_between_opening_and_reading_is_read_again() {
    let site = Site::new();
    fs::hard_link(&site.path, site.directory.path().join("link")).unwrap();
    let replaced = AtomicUsize::new(0);
    let opened = || {
        if replaced.fetch_add(1, Ordering::SeqCst) == 0 {
            site.replace("two");
        }
    };
    let loaded = load::load(&site.path, None, &site.clock, &opened).unwrap();
    assert_eq!(token(&loaded), "two");
}

#[test]
fn a3_a_hard_link_made_before_hides_no_replacement() {
    let site = Site::new();
    fs::hard_link(&site.path, site.directory.path().join("link")).unwrap();
    let known = site.settled();
    site.replace("two");
    assert!(!site.is_current(&known), "the link count went from 2 to 1");
}

#[test]
fn a3_a_swapped_parent_directory_is_noticed_within_100_ms() {
    let site = Site::new();
    let (inner, path) = (
        site.directory.path().join("inner"),
        site.directory.path().join("inner/tokens.json"),
    );
    fs::create_dir(&inner).unwrap();
    fs::write(&path, text("one")).unwrap();
    let site = Site {
        path: path.clone(),
        ..site
    };
    let known = site.settled();
    fs::rename(&inner, site.directory.path().join("outer")).unwrap();
    fs::create_dir(&inner).unwrap();
    fs::write(&path, text("two")).unwrap();
    let for_a_write = known.is_current(&path, &site.clock, Duration::ZERO);
    assert!(!for_a_write.unwrap(), "a write rests on it, and looks in any case");
    site.clock.advance(PATH_CHECK);
    assert!(!site.is_current(&known));
    assert_eq!(token(&site.load(Some(&known))), "two");
}

#[test]
fn a_file_that_is_gone_or_not_there_yet() {
    let site = Site::new();
    let known = site.settled();
    fs::remove_file(&site.path).unwrap();
    let gone = site.load(Some(&known));
    assert!(matches!(gone.content, Content::Absent));
    assert!(site.is_current(&gone));
    site.write("two");
    assert!(!site.is_current(&gone));
    assert_eq!(token(&site.load(Some(&gone))), "two");
}

#[test]
fn a_content_that_this_process_wrote_is_trusted_at_once_only_under_an_unmistakable_stamp() {
    let site = Site::new();
    let known = site.load(None);
    for unmistakable in [true, false] {
        let file = fs::File::open(&site.path).unwrap();
        let stamp = Stamp::of(&file).unwrap();
        let written = Snapshot {
            content: known.content.clone(),
            sighting: Some(Sighting::written(
                Arc::new(file),
                stamp,
                unmistakable,
                site.clock.monotonic(),
            )),
        };
        assert_eq!(site.is_current(&written), unmistakable);
    }
}

#[test]
fn d3_damage_is_read_again_for_250_ms_and_then_remembered() {
    for (begun, is_damaged) in [("{\"da", true), ("", false)] {
        let site = Site::new();
        // The pauses are real, the clock is not: it moves on whenever it is asked.
        let clock = Stepping(AtomicUsize::new(0));
        fs::write(&site.path, begun).unwrap();
        let damaged = load::load(&site.path, None, &clock, &|| {}).unwrap();
        assert_eq!(matches!(damaged.content, Content::Damaged(_)), is_damaged);
        assert!(clock.monotonic() >= load::PATIENCE);
        clock.0.fetch_add(300, Ordering::SeqCst);
        let before = clock.monotonic();
        let again = load::load(&site.path, Some(Arc::clone(&damaged)), &clock, &|| {}).unwrap();
        assert!(
            clock.monotonic() - before < load::PATIENCE,
            "known damage is not waited for"
        );
        assert!(again.is_current(&site.path, &clock, PATH_CHECK).unwrap());
    }
}

#[test]
fn d3_a_file_written_in_place_meanwhile_is_no_damage() {
    // Cut off, emptied, and with one value half there: what remains after 250 ms is damage, nothing, and one bad record.
    for begun in ["{\"da", "", &text("one").replace("\"one\"", "\"\0\0\0\"")] {
        let site = Site::new();
        fs::write(&site.path, begun).unwrap();
        // Asked for the fifth time after the first try at the file, which then finds it like that.
        let clock = Completing(Stepping(AtomicUsize::new(0)), site.path.clone());
        let loaded = load::load(&site.path, None, &clock, &|| {}).unwrap();
        assert_eq!(token(&loaded), "late", "{begun}");
        assert!(clock.monotonic() > Duration::from_millis(8), "it was read twice");
    }
}

/// A foreign writer that has truncated the file and fills it a little later.
#[derive(Debug)]
struct Completing(Stepping, PathBuf);

impl Clock for Completing {
    fn monotonic(&self) -> Duration {
        let now = self.0.monotonic();
        if now == Duration::from_millis(4) {
            fs::write(&self.1, text("late")).unwrap();
        }
        now
    }
}

/// Moves by a millisecond whenever it is asked.
#[derive(Debug)]
struct Stepping(AtomicUsize);

impl Clock for Stepping {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::SeqCst) as u64)
    }
}
