//! Lock files: they stay, and one that somebody else took away all the same excludes nobody.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use token_storage_core::{Acquisition, Precondition, TokenStorageExt as _};

use super::{
    files::{BOTH, FILES, tree},
    leases::acquire,
    processes::start,
};
use crate::{
    Case, Level, Need,
    check::{Check, fail, ignore, stored},
    cx::{Cx, Handle},
    data::full,
    rng::soak,
    worker::{Reply, Request, Worker},
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Durable, "files::lock_files_stay", &["D2"], |cx| {
        Box::pin(lock_files_stay(cx))
    })
    .needs(FILES),
    Case::new(
        Level::Durable,
        "files::a_lock_file_that_is_gone_excludes_nobody",
        &["D2", "A6"],
        |cx| Box::pin(a_lock_file_that_is_gone_excludes_nobody(cx)),
    )
    .needs(BOTH),
];

/// Whether what was seen beside the storage is there still.
#[derive(Default)]
struct Watched(BTreeMap<PathBuf, bool>);

impl Watched {
    /// What was there, was gone, and is there again.
    fn look(&mut self, there: Vec<PathBuf>) -> Option<PathBuf> {
        let mut back = None;
        for (path, is_there) in &mut self.0 {
            // Asked for by name: a folder that cannot be listed just now is not empty.
            let now = match fs::symlink_metadata(path) {
                Ok(_) => true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(_) => *is_there,
            };
            if now && !*is_there {
                back = Some(path.clone());
            }
            *is_there = now;
        }
        for path in there {
            self.0.entry(path).or_insert(true);
        }
        back
    }
}

/// Everything below the storage's directory that holds no data.
fn beside(cx: &Cx) -> Check<Vec<PathBuf>> {
    let (file, companions) = (cx.file()?, cx.place().companions());
    let mut found = tree(cx)?;
    found.retain(|path| *path != file && !companions.contains(path) && !path.is_dir());
    Ok(found)
}

/// What comes and goes, seen from another thread and between the calls.
struct Watch {
    cx: Cx,
    watched: Mutex<Watched>,
    over: AtomicBool,
}

impl Watch {
    fn look(&self) -> Check {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = watched.look(beside(&self.cx)?) else {
            return Ok(());
        };
        fail(
            "D2",
            "lock files stay: if one is deleted when it is released, who waits for it and who makes a new one both get in",
            format!("{} comes and goes", path.display()),
            "a lock file that stays; a temporary file has another name each time; what holds data is named by `companions`",
        )
    }

    fn until_it_is_over(&self) -> Check {
        while !self.over.load(Ordering::Relaxed) {
            self.look()?;
            std::thread::yield_now();
        }
        Ok(())
    }
}

async fn lock_files_stay(cx: Cx) -> Check {
    let watch = Arc::new(Watch {
        cx: cx.clone(),
        watched: Mutex::default(),
        over: AtomicBool::new(false),
    });
    let watcher = Arc::clone(&watch);
    let watching = tokio::task::spawn_blocking(move || watcher.until_it_is_over());
    let used = use_locks(&cx, &watch).await;
    watch.over.store(true, Ordering::Relaxed);
    watching.await.expect("the watcher does not panic")?;
    used
}

/// Whatever takes a lock. During a call the other thread looks.
async fn use_locks(cx: &Cx, watch: &Watch) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for round in 0..if soak() { 400 } else { 40 } {
        let data = full(&round.to_string());
        storage.store(&key, &data, Precondition::Any).await?;
        watch.look()?;
        if round % 4 == 0 {
            storage.remove(&key, Precondition::Any).await?;
            watch.look()?;
        }
        if round % 10 == 0
            && let Some(lease) = storage.lease()
            && let Acquisition::Acquired(guard) = lease.try_acquire(&key).await?
        {
            watch.look()?;
            guard.release().await?;
            watch.look()?;
        }
    }
    Ok(())
}

/// A tidy user, or a program that cleans up, while nobody holds one.
fn take_away(cx: &Cx, renamed: bool) -> Check {
    for path in beside(cx)? {
        let done = match renamed {
            true => fs::rename(&path, renamed_to(&path)),
            false => fs::remove_file(&path),
        };
        done.expect("the suite may change files beside the storage");
        let how = if renamed { "renamed" } else { "removed" };
        cx.note(format!("{} is {how}", path.display()));
    }
    Ok(())
}

fn renamed_to(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".renamed");
    path.with_file_name(name)
}

/// One process has used its locks before, and may have their files open still; the other comes afterwards.
async fn a_lock_file_that_is_gone_excludes_nobody(cx: Cx) -> Check {
    if cfg!(not(unix)) {
        return ignore("a file that is open cannot be taken away on this system");
    }
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for renamed in [false, true] {
        let mut before = start(&cx, 1).await?.remove(0);
        let tag = if renamed { "renamed" } else { "removed" };
        before
            .done(&cx, "D2", Request::store(&key, tag, Precondition::Any))
            .await?;
        if cx.declares(Need::ProcessLease) {
            before.done(&cx, "L1", Request::Acquire { key: (&key).into() }).await?;
            before.done(&cx, "L2", Request::Release).await?;
        }
        take_away(&cx, renamed)?;
        let mut after = start(&cx, 1).await?.remove(0);
        both_write(&cx, &storage, [&mut before, &mut after], tag).await?;
        if cx.declares(Need::ProcessLease) {
            one_holds(&cx, &storage, &mut before).await?;
        }
        before.finish().await?;
        after.finish().await?;
    }
    Ok(())
}

const EACH: usize = 12;

async fn both_write(cx: &Cx, storage: &Handle, workers: [&mut Worker; 2], tag: &str) -> Check {
    let prefix = |index: usize| format!("{tag}-{index}-");
    let mut workers = workers;
    for (index, worker) in workers.iter_mut().enumerate() {
        let request = Request::StoreMany {
            namespace: cx.namespace().to_owned(),
            prefix: prefix(index),
            count: EACH,
        };
        worker.send(&request).await?;
    }
    for worker in &mut workers {
        if let Reply::Failed { kind, message } = worker.receive().await? {
            let what = "two processes write after their lock file was taken away";
            return fail("D2", what, format!("{kind}: {message}"), "Ok");
        }
    }
    for (index, number) in (0..2).flat_map(|index| (0..EACH).map(move |number| (index, number))) {
        let key = cx.key(&format!("{}{number}", prefix(index)));
        cx.touch(&key);
        let there = storage.get(&key).await?;
        if there.is_none() {
            return fail(
                "D2",
                "after a lock file was taken away, who has it open still and who makes a new one do not write at once",
                format!("a record that process {} of 2 was told is stored is gone", index + 1),
                "both records: whoever has got a lock looks whether its file is still the one of that name",
            );
        }
        stored("A6", &there, &full(&number.to_string()))?;
    }
    Ok(())
}

async fn one_holds(cx: &Cx, storage: &Handle, before: &mut Worker) -> Check {
    let key = cx.key("rs");
    let guard = acquire(storage, &key).await?;
    match before.done(cx, "L1", Request::Acquire { key: (&key).into() }).await? {
        Reply::Held => Ok(guard.release().await?),
        reply => fail(
            "D2",
            "a held lease, tried by a process that had its lock file open when that was taken away",
            format!("{reply:?}"),
            "Held",
        ),
    }
}
