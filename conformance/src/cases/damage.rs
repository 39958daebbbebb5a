use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use token_storage_core::{ErrorKind, Precondition, Result, StoredToken, TokenStorageExt as _};

use super::{files::check_modes, secrets::clean_error};
use crate::{
    Case, Level, Need,
    canary::ACCESS,
    check::{Check, Show as _, fail, holds, ignore, refused, stored},
    cx::{Cx, listing},
    data::full,
    worker::{Request, Worker},
};

const NEEDS: &[Need] = &[Need::Durable, Need::Files, Need::Processes];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Durable,
        "damage::a_truncated_file_is_corrupt_and_kept",
        &["D3"],
        |cx| Box::pin(damaged(cx, truncated)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::a_file_of_nulls_is_corrupt_and_kept",
        &["D3"],
        |cx| Box::pin(damaged(cx, nulls)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::a_file_of_something_else_is_corrupt_and_kept",
        &["D3"],
        |cx| Box::pin(damaged(cx, something_else)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::bytes_behind_the_end_cost_no_record",
        &["D3"],
        |cx| Box::pin(bytes_behind_the_end_cost_no_record(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::a_damaged_file_can_be_repaired",
        &["D3"],
        |cx| Box::pin(a_damaged_file_can_be_repaired(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Durable,
        "damage::a_file_that_is_being_written_is_read_again",
        &["D3"],
        |cx| Box::pin(a_file_that_is_being_written_is_read_again(cx)),
    )
    .needs(NEEDS),
    Case::new(Level::Durable, "damage::errors_show_no_token", &["S1", "D3"], |cx| {
        Box::pin(errors_show_no_token(cx))
    })
    .needs(NEEDS),
];

fn truncated(whole: &[u8]) -> Vec<u8> {
    whole[..whole.len() / 2].to_vec()
}

fn nulls(whole: &[u8]) -> Vec<u8> {
    vec![0; whole.len()]
}

fn something_else(_: &[u8]) -> Vec<u8> {
    b"\x7fELF this is neither a database nor JSON \xff\xfe".to_vec()
}

/// A file that another process wrote and that nobody has open, all data in it. Returns its bytes.
async fn written(cx: &Cx) -> Check<(PathBuf, Vec<u8>)> {
    let file = cx.file()?;
    let mut worker = Worker::start(cx)?;
    for rs in ["a", "b", "c"] {
        worker
            .done(cx, "D1", Request::store(&cx.key(rs), rs, Precondition::Any))
            .await?;
    }
    worker.finish().await?;
    cx.place().settle();
    let whole = fs::read(&file).unwrap_or_default();
    holds("D1", "what was stored is in the declared file", !whole.is_empty())?;
    Ok((file, whole))
}

fn damage(cx: &Cx, file: &Path, bytes: &[u8]) {
    for companion in cx.place().companions() {
        // Not there: nothing to lose.
        let _ = fs::remove_file(companion);
    }
    fs::write(file, bytes).expect("the suite may damage the file");
}

async fn read(cx: &Cx, rs: &str) -> Result<Option<StoredToken>> {
    let storage = cx.place().reopen().await?;
    storage.get(&cx.key(rs)).await
}

async fn damaged(cx: Cx, spoil: fn(&[u8]) -> Vec<u8>) -> Check {
    let (file, whole) = written(&cx).await?;
    let spoiled = spoil(&whole);
    damage(&cx, &file, &spoiled);
    for _ in 0..2 {
        match read(&cx, "a").await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = crate::run::chain(&error);
                if !text.contains(&name) {
                    return fail("D3", "the error names the place", text, format!("a text with {name}"));
                }
            }
            Err(error) => {
                return fail(
                    "D3",
                    "damage is a typed error",
                    format!("{:?}: {error}", error.kind()),
                    "Corrupt",
                );
            }
            Ok(got) => return fail("D3", "damage is never \"no tokens\"", got.show(), "Corrupt"),
        }
        if cx.declares(Need::Enumeration) {
            let storage = cx.open().await?;
            let listed = listing(&storage)?.list_keys(cx.namespace(), None).await;
            let listed = listed.map(|page| format!("{} keys", page.items.len()));
            refused("D3", "a listing of what is damaged", listed, ErrorKind::Corrupt)?;
        }
        holds(
            "D3",
            "reading moves nothing",
            fs::read(&file).ok().as_ref() == Some(&spoiled),
        )?;
    }
    let storage = cx.open().await?;
    storage.store(&cx.key("new"), &full("new"), Precondition::Any).await?;
    stored("D3", &storage.get(&cx.key("new")).await?, &full("new"))?;
    stored("D3", &cx.open().await?.get(&cx.key("new")).await?, &full("new"))?;
    drop(storage);
    holds(
        "D3",
        "the next write keeps the damaged file aside, unchanged",
        is_kept(&file, &spoiled),
    )?;
    check_modes(&cx)?;
    damaged_again(&cx, &file, &spoiled).await
}

/// All records are whole, though the file is not: the end of an older, longer one is left behind it. Whether that counts as
/// damage or not, the next write loses nothing that is there to be read.
async fn bytes_behind_the_end_cost_no_record(cx: Cx) -> Check {
    let (file, whole) = written(&cx).await?;
    damage(&cx, &file, &[&whole[..], b"\": \"the end of another\"}}\xff"].concat());
    let storage = cx.place().reopen().await?;
    storage.store(&cx.key("new"), &full("new"), Precondition::Any).await?;
    for storage in [storage, cx.open().await?] {
        for rs in ["a", "b", "c", "new"] {
            stored("D3", &storage.get(&cx.key(rs)).await?, &full(rs))?;
        }
    }
    Ok(())
}

/// Whether these bytes are in a file beside the storage's.
fn is_kept(file: &Path, bytes: &[u8]) -> bool {
    let directory = file.parent().unwrap_or(file);
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.path() != file && fs::read(entry.path()).is_ok_and(|found| found == bytes))
}

/// What was kept of an earlier damage may have valid tokens in it, too.
async fn damaged_again(cx: &Cx, file: &Path, first: &[u8]) -> Check {
    cx.place().settle();
    let second = b"\x7fELF damaged once more".to_vec();
    damage(cx, file, &second);
    let storage = cx.open().await?;
    storage.store(&cx.key("newer"), &full("1"), Precondition::Any).await?;
    drop(storage);
    holds(
        "D3",
        "each damaged file is kept aside, not only the last one",
        is_kept(file, first) && is_kept(file, &second),
    )
}

/// Writes what is missing. The file is never empty meanwhile, as to some storages an empty one is whole.
fn grow(file: &Path, whole: &[u8]) {
    use std::io::Write as _;
    let mut opened = fs::OpenOptions::new()
        .append(true)
        .open(file)
        .expect("the suite may write the file");
    let missing = &whole[truncated(whole).len()..];
    opened.write_all(missing).expect("the suite may write the file");
}

/// A foreign program writes in place, and takes some time: not for longer than a reader must wait.
async fn a_file_that_is_being_written_is_read_again(cx: Cx) -> Check {
    const WAITED_FOR: Duration = Duration::from_millis(200);
    let (file, whole) = written(&cx).await?;
    let mut in_time = 0;
    for _ in 0..10 {
        damage(&cx, &file, &truncated(&whole));
        let began = Instant::now();
        let reader = cx.clone();
        let reading = tokio::spawn(async move { read(&reader, "a").await });
        tokio::time::sleep(WAITED_FOR / 10).await;
        grow(&file, &whole);
        let late = began.elapsed() > WAITED_FOR;
        match reading.await.expect("a reader does not panic") {
            Ok(got) => stored("D3", &got, &full("a"))?,
            // A machine that is too busy for this.
            Err(error) if late && error.kind() == ErrorKind::Corrupt => continue,
            Err(error) => {
                let got = format!("{:?}: {error}", error.kind());
                return fail("D3", "a file that is whole a moment later", got, "its record");
            }
        }
        in_time += 1;
        if in_time == 3 {
            return Ok(());
        }
    }
    ignore("the machine is too busy to write a file while it is read")
}

/// A handle that has met the damage finds the data again once the file is whole.
async fn a_damaged_file_can_be_repaired(cx: Cx) -> Check {
    let (file, whole) = written(&cx).await?;
    damage(&cx, &file, &truncated(&whole));
    match read(&cx, "a").await {
        Err(error) if error.kind() == ErrorKind::Corrupt => {}
        got => {
            return fail(
                "D3",
                "a truncated file",
                format!("{:?}", got.map(|got| got.is_some())),
                "Corrupt",
            );
        }
    }
    damage(&cx, &file, &whole);
    for rs in ["a", "b", "c"] {
        stored("D3", &read(&cx, rs).await?, &full(rs))?;
    }
    Ok(())
}

async fn errors_show_no_token(cx: Cx) -> Check {
    let (file, whole) = written(&cx).await?;
    // Cut in the middle, canaries on both sides of the cut, and in a shape that parsers like to quote.
    let canaries = format!("{{\"data\": {{\"DEFAULT\": {{\"rs\": {{\"access_token\": \"{ACCESS}\", {ACCESS}");
    for spoiled in [
        [&whole[..whole.len() / 2], canaries.as_bytes()].concat(),
        canaries.into_bytes(),
    ] {
        damage(&cx, &file, &spoiled);
        match read(&cx, "a").await {
            Err(error) => clean_error("the error of a damaged file", &error)?,
            // A part of a database may be readable; that is not what this case is about.
            Ok(got) => cx.note(format!("read {}", got.show())),
        }
    }
    Ok(())
}
