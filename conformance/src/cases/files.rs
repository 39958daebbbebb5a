use std::{
    fs,
    path::{Path, PathBuf},
};

use token_storage_core::Precondition;
use token_storage_core::TokenStorageExt as _;

use super::kills::names;
use crate::{
    Case, Level, Need,
    check::{Check, absent, fail, holds, ignore, same, stored},
    cx::Cx,
    data::{access, full, plain},
    worker::{NOBODY, Reply, Request, Start, Worker},
};

pub(super) const FILES: &[Need] = &[Need::Durable, Need::Files];
pub(super) const BOTH: &[Need] = &[Need::Durable, Need::Files, Need::Processes];

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Durable, "files::are_the_owners_only", &["D4"], |cx| {
        Box::pin(are_the_owners_only(cx))
    })
    .needs(FILES),
    Case::new(
        Level::Durable,
        "files::are_the_owners_only_whatever_the_mask",
        &["D4"],
        |cx| Box::pin(are_the_owners_only_whatever_the_mask(cx)),
    )
    .needs(BOTH),
    Case::new(Level::Durable, "files::wider_modes_are_tightened", &["D4"], |cx| {
        Box::pin(wider_modes_are_tightened(cx))
    })
    .needs(FILES),
    Case::new(Level::Durable, "files::a_symlink_stays_a_symlink", &["D4"], |cx| {
        Box::pin(a_symlink_stays_a_symlink(cx))
    })
    .needs(FILES),
    Case::new(
        Level::Durable,
        "files::opening_and_reading_create_nothing",
        &["D4", "K1"],
        |cx| Box::pin(opening_and_reading_create_nothing(cx)),
    )
    .needs(FILES),
    Case::new(
        Level::Durable,
        "files::reading_leaves_the_file_as_it_is",
        &["D4"],
        |cx| Box::pin(reading_leaves_the_file_as_it_is(cx)),
    )
    .needs(FILES),
    Case::new(
        Level::Durable,
        "files::reading_needs_no_writable_directory",
        &["D4"],
        |cx| Box::pin(reading_needs_no_writable_directory(cx)),
    )
    .needs(FILES),
    Case::new(Level::Durable, "files::writing_leaves_nothing_behind", &["D2"], |cx| {
        Box::pin(writing_leaves_nothing_behind(cx))
    })
    .needs(FILES),
    Case::new(
        Level::Durable,
        "files::a_failed_write_leaves_the_old_data",
        &["D2", "A1"],
        |cx| Box::pin(a_failed_write_leaves_the_old_data(cx)),
    )
    .needs(BOTH),
];

/// Everything below the storage's directory, itself not included.
pub(super) fn tree(cx: &Cx) -> Check<Vec<PathBuf>> {
    let file = cx.file()?;
    let mut todo: Vec<PathBuf> = file.parent().map(Path::to_owned).into_iter().collect();
    let mut found = Vec::new();
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(unix)]
pub(super) fn check_modes(cx: &Cx) -> Check {
    use std::os::unix::fs::PermissionsExt as _;
    for path in tree(cx)? {
        // Gone by now: a temporary file of another writer.
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        let mode = found.permissions().mode() & 0o777;
        if !found.is_symlink() && mode & 0o077 != 0 {
            let want = if found.is_dir() { "700" } else { "600" };
            return fail(
                "D4",
                &format!("{} is its owner's only", path.display()),
                format!("{mode:o}"),
                want,
            );
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_modes(_: &Cx) -> Check {
    ignore("this system has no modes")
}

#[cfg(unix)]
pub(super) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the suite may change modes");
}

#[cfg(not(unix))]
pub(super) fn set_mode(_: &Path, _: u32) {}

/// Creates whatever the storage has files for.
async fn use_everything(cx: &Cx) -> Check {
    let storage = cx.open().await?;
    let revision = storage.store(&cx.key("a"), &full("1"), Precondition::Any).await?;
    check_modes(cx)?;
    storage
        .store(&cx.key("a"), &full("2"), Precondition::Unchanged(revision))
        .await?;
    storage.store(&cx.key("b"), &full("1"), Precondition::Absent).await?;
    storage.remove(&cx.key("b"), Precondition::Any).await?;
    if let Some(lease) = storage.lease()
        && let token_storage_core::Acquisition::Acquired(mut guard) = lease.try_acquire(&cx.key("a")).await?
    {
        guard.record_intent(&super::intent(revision)).await?;
        check_modes(cx)?;
        guard.clear_intent().await?;
        guard.release().await?;
    }
    Ok(())
}

async fn are_the_owners_only(cx: Cx) -> Check {
    use_everything(&cx).await?;
    in_a_new_directory(&cx).await?;
    check_modes(&cx)
}

/// Whoever makes directories makes them the owner's only.
async fn in_a_new_directory(cx: &Cx) -> Check {
    let file = cx.file()?;
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
        return Ok(());
    };
    let path = directory.join("new").join("newer").join(name);
    if let Some(Ok(storage)) = cx.place().open_path(&path)
        && let Err(error) = storage.store(&cx.key("a"), &full("1"), Precondition::Any).await
    {
        cx.note(format!(
            "in a directory that is not there, a store answers {:?}",
            error.kind()
        ));
    }
    Ok(())
}

/// The mask of a worker, as the suite must not change its own: other cases run in this process.
async fn are_the_owners_only_whatever_the_mask(cx: Cx) -> Check {
    for mask in [0, 0o077] {
        let mut worker = Worker::start(&cx)?;
        worker.done(&cx, "D4", Request::Umask { mask }).await?;
        for tag in ["1", "2"] {
            worker
                .done(&cx, "D4", Request::store(&cx.key("rs"), tag, Precondition::Any))
                .await?;
            check_modes(&cx)?;
        }
        match worker.done(&cx, "D4", Request::AskUmask).await? {
            Reply::Umask { mask: after } => same("D4", "the mask of the process is left alone", &after, &mask)?,
            reply => return fail("D4", "a worker has a mask", format!("{reply:?}"), "its mask"),
        }
        worker.finish().await?;
    }
    Ok(())
}

async fn wider_modes_are_tightened(cx: Cx) -> Check {
    if cfg!(not(unix)) {
        return ignore("this system has no modes");
    }
    cx.open()
        .await?
        .store(&cx.key("rs"), &full("1"), Precondition::Any)
        .await?;
    for path in tree(&cx)? {
        if path.is_file() {
            set_mode(&path, 0o644);
        }
    }
    let storage = cx.open().await?;
    stored("D4", &storage.get(&cx.key("rs")).await?, &full("1"))?;
    storage.store(&cx.key("rs"), &full("2"), Precondition::Any).await?;
    check_modes(&cx)?;
    stored("D4", &cx.open().await?.get(&cx.key("rs")).await?, &full("2"))
}

#[cfg(unix)]
async fn a_symlink_stays_a_symlink(cx: Cx) -> Check {
    let file = cx.file()?;
    let Some(directory) = file.parent() else {
        return ignore("the file is in no directory");
    };
    let elsewhere = directory.join("links");
    fs::create_dir(&elsewhere).expect("the suite may create a directory beside the storage");
    set_mode(&elsewhere, 0o700);
    let name = file.file_name().unwrap_or_default();
    let link = elsewhere.join(name);
    // Relative, and dangling at first: the target does not exist yet.
    std::os::unix::fs::symlink(Path::new("..").join(name), &link).expect("the suite may create a symlink");

    let through = cx.open_path(&link)?;
    through.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    for round in 0..3 {
        holds(
            "D4",
            "a symlink stays a symlink",
            fs::symlink_metadata(&link).is_ok_and(|found| found.is_symlink()),
        )?;
        stored("D4", &cx.open().await?.get(&cx.key("rs")).await?, &full("1"))?;
        through
            .store(&cx.key("more"), &plain(&round.to_string()), Precondition::Any)
            .await?;
    }
    let beside: Vec<std::ffi::OsString> = fs::read_dir(&elsewhere)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    same(
        "D4",
        "lock and temporary files are beside the target, not the link",
        &beside,
        &vec![name.to_owned()],
    )?;
    // Through either name, one storage: neither overtakes the other.
    cx.open()
        .await?
        .store(&cx.key("rs"), &full("2"), Precondition::Any)
        .await?;
    stored("A3", &through.get(&cx.key("rs")).await?, &full("2"))
}

#[cfg(not(unix))]
async fn a_symlink_stays_a_symlink(_: Cx) -> Check {
    ignore("symlinks are not tried on this system")
}

async fn opening_and_reading_create_nothing(cx: Cx) -> Check {
    let storage = cx.open().await?;
    absent("K1", "nothing was stored", &storage.get(&cx.key("rs")).await?)?;
    same("D4", "files after opening and reading", &tree(&cx)?, &Vec::new())?;
    drop(storage);
    same("D4", "files after closing", &tree(&cx)?, &Vec::new())
}

async fn reading_leaves_the_file_as_it_is(cx: Cx) -> Check {
    let file = cx.file()?;
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    let (before, files) = (fs::read(&file).unwrap_or_default(), tree(&cx)?);
    for handle in [&storage, &cx.open().await?] {
        for _ in 0..3 {
            stored("D4", &handle.get(&cx.key("rs")).await?, &full("1"))?;
            absent("K1", "nothing was stored", &handle.get(&cx.key("other")).await?)?;
        }
    }
    holds(
        "D4",
        "the file has the same bytes after reading",
        fs::read(&file).unwrap_or_default() == before,
    )?;
    let new = tree(&cx)?.into_iter().find(|path| !files.contains(path));
    // What a database keeps beside it belongs to it, and a reader may open it.
    match new.filter(|path| !cx.place().companions().contains(path)) {
        Some(path) => fail("D4", "reading makes no file", path.display().to_string(), "none"),
        None => Ok(()),
    }
}

/// The directory is made read-only. To a superuser that says nothing: then another process reads, as a user without
/// rights to whom the files are given.
async fn reading_needs_no_writable_directory(cx: Cx) -> Check {
    let file = cx.file()?;
    let Some(directory) = file.parent().map(Path::to_owned) else {
        return ignore("the file is in no directory");
    };
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    drop(storage);
    cx.place().settle();
    set_mode(&directory, 0o500);
    let powerless = fs::File::create_new(directory.join("probe")).is_err();
    let _ = fs::remove_file(directory.join("probe"));
    let read = if powerless {
        read_here(&cx).await
    } else {
        read_as_nobody(&cx).await
    };
    set_mode(&directory, 0o700);
    same("D4", "what is read", &read?, &Some(access("1")))
}

async fn read_here(cx: &Cx) -> Check<Option<String>> {
    let stored = cx.open().await?.get(&cx.key("rs")).await?;
    Ok(stored.map(|stored| stored.data.access_token.expose().to_owned()))
}

async fn read_as_nobody(cx: &Cx) -> Check<Option<String>> {
    give_away(cx)?;
    let mut worker = Worker::start_as(cx, Start::Powerless)?;
    let key = (&cx.key("rs")).into();
    match worker.done(cx, "D4", Request::Get { key }).await? {
        Reply::Got { access_token } => Ok(access_token),
        reply => fail("D4", "another process reads", format!("{reply:?}"), "the record"),
    }
}

#[cfg(unix)]
fn give_away(cx: &Cx) -> Check {
    let directory = cx.file()?.parent().map(Path::to_owned);
    for path in tree(cx)?.into_iter().chain(directory) {
        if std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).is_err() {
            return ignore("run by a user to whom every directory is writable, and who cannot give files away");
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn give_away(_: &Cx) -> Check {
    ignore("this system has no modes")
}

async fn writing_leaves_nothing_behind(cx: Cx) -> Check {
    use_everything(&cx).await?;
    let before = names(&cx)?;
    let storage = cx.open().await?;
    for round in 0..10 {
        let key = cx.key(&round.to_string());
        storage.store(&key, &full("1"), Precondition::Absent).await?;
        let refused = storage.store(&key, &full("2"), Precondition::Absent).await;
        holds("A4", "a second store if absent is refused", refused.is_err())?;
        let large = plain(&"x".repeat(storage.describe().limits.record_bytes.min(super::limits::MOST) + 1));
        drop(storage.store(&key, &large, Precondition::Any).await);
        storage.remove(&key, Precondition::Any).await?;
    }
    same(
        "D2",
        "files beside the storage after many writes",
        &names(&cx)?,
        &before,
    )?;
    drop(storage);
    use_everything(&cx).await?;
    same("D2", "files beside the storage after reopening", &names(&cx)?, &before)
}

/// A limit on the size of files: real, and the same path in a backend as a full disk.
async fn a_failed_write_leaves_the_old_data(cx: Cx) -> Check {
    if cfg!(not(unix)) {
        return ignore("this system has no limits of file sizes");
    }
    let storage = cx.open().await?;
    let bytes = (storage.describe().limits.record_bytes / 2)
        .saturating_sub(512)
        .min(480 * 1024);
    if bytes < 300 * 1024 {
        return ignore("records are too small to pass the limit of file sizes");
    }
    storage.store(&cx.key("rs"), &full("old"), Precondition::Any).await?;
    let before = (storage.get(&cx.key("rs")).await?, names(&cx)?);
    let mut worker = Worker::start_as(&cx, Start::SmallFiles)?;
    worker
        .done(&cx, "D2", Request::store(&cx.key("small"), "1", Precondition::Any))
        .await?;
    for _ in 0..3 {
        let key = (&cx.key("rs")).into();
        match worker.call(&cx, Request::StoreLarge { key, bytes }).await? {
            Reply::Failed { kind, .. } if kind == "StorageFull" || kind == "Unavailable" => {}
            reply => {
                let what = "a write beyond the limit of file sizes fails";
                let got = format!("{reply:?}: the storage says so, or this system limits nothing");
                return fail("D2", what, got, "StorageFull or Unavailable");
            }
        }
        for handle in [&storage, &cx.open().await?] {
            same(
                "D2",
                "the old record after a failed write",
                &handle.get(&cx.key("rs")).await?,
                &before.0,
            )?;
        }
        same(
            "D2",
            "files beside the storage after a failed write",
            &names(&cx)?,
            &before.1,
        )?;
    }
    // The process that failed can go on, and so can others.
    worker
        .done(&cx, "D2", Request::store(&cx.key("small"), "2", Precondition::Any))
        .await?;
    storage.store(&cx.key("rs"), &full("new"), Precondition::Any).await?;
    stored("D2", &storage.get(&cx.key("small")).await?, &full("2"))?;
    stored("D2", &storage.get(&cx.key("rs")).await?, &full("new"))
}
