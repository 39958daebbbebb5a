//! What is damaged in a database is told, whatever it is: cuts at every 64 bytes, single bits, swapped pages.
//!
//! One thing no reader can tell: a change within a record's own text that leaves it a record. The format has no checksum,
//! and could have none that is more than advice, since other programs may change a record as they like. Such bits are
//! left out.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, mem,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use token_storage_core::{
    Enumerate, Error, ErrorKind, Precondition, StoredToken, TokenKey, TokenStorage, TokenStorageExt as _,
};
use token_storage_sqlite::SqliteStorage;
use tokio::{sync::Semaphore, task::JoinSet};

use common::{data, foreign, key};

const PAGE: usize = 4096;

/// A sound database, and what is in it.
struct Sound {
    bytes: Vec<u8>,
    page: usize,
    records: BTreeMap<String, StoredToken>,
    /// Where the texts of the records are.
    texts: Vec<Range<usize>>,
}

/// How the database was made.
#[derive(Clone, Copy)]
enum Made {
    /// By us.
    Ours,
    /// By another program, which set this up first.
    Elsewhere(&'static str),
    /// By us; a third of the pages has been freed again.
    Freed,
}

impl Sound {
    async fn make(folder: &Path, made: Made) -> Self {
        let path = folder.join("sound.db");
        if let Made::Elsewhere(pragmas) = made {
            foreign(&path).execute_batch(&format!("{pragmas}; VACUUM")).unwrap();
        }
        let storage = SqliteStorage::open(&path).unwrap();
        let mut records = BTreeMap::new();
        if let Made::Freed = made {
            fill_and_free(&storage).await;
        }
        for number in 0..12 {
            let name = format!("rs{number}");
            let token = format!("{number:03}").repeat(67);
            storage
                .store(&key(&name), &data(&token), Precondition::Any)
                .await
                .unwrap();
            records.insert(name.clone(), storage.get(&key(&name)).await.unwrap().unwrap());
        }
        drop(storage);
        let bytes = fs::read(&path).unwrap();
        let texts = texts(&path, &bytes);
        assert_eq!(texts.len(), 12);
        let page = foreign(&path).query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0));
        Self {
            bytes,
            page: page.unwrap() as usize,
            records,
            texts,
        }
    }

    fn is_text(&self, bit: usize) -> bool {
        self.texts.iter().any(|text| text.contains(&(bit / 8)))
    }
}

async fn fill_and_free(storage: &SqliteStorage) {
    let names: Vec<String> = (0..40).map(|number| format!("freed{number}")).collect();
    for name in &names {
        common::store(storage, name, &"f".repeat(3000)).await;
    }
    for name in &names {
        assert!(storage.remove(&key(name), Precondition::Any).await.unwrap());
    }
}

fn texts(path: &Path, bytes: &[u8]) -> Vec<Range<usize>> {
    let connection = foreign(path);
    let mut statement = connection.prepare("SELECT token_data_json FROM token_storage").unwrap();
    let texts = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let place = |text: String| {
        let found = bytes.windows(text.len()).position(|window| window == text.as_bytes());
        let start = found.expect("a record of this size lies in one page");
        start..start + text.len()
    };
    texts.map(|text| place(text.unwrap())).collect()
}

/// What became of one damaged database.
#[derive(Debug, Default)]
struct Tally {
    right: usize,
    told: usize,
    stored: usize,
    /// Databases that were replaced by a new one.
    replaced: usize,
    /// Right answers after that, or another store.
    kept: usize,
    wrong: Vec<String>,
    /// The records that could be read.
    readable: BTreeSet<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.told += other.told;
        self.stored += other.stored;
        self.replaced += other.replaced;
        self.kept += other.kept;
        self.wrong.extend(other.wrong);
    }

    fn error(&mut self, what: &str, error: &Error) {
        // Denied: one bit of the header tells SQLite to leave the writing to its newer versions.
        use ErrorKind::{Corrupt, Misconfigured, PermissionDenied, Unavailable};
        if matches!(error.kind(), Corrupt | Misconfigured | PermissionDenied | Unavailable) {
            self.told += 1;
        } else {
            self.wrong.push(format!("{what}: {error:?}"));
        }
    }

    fn got(&mut self, what: &str, got: Result<Option<StoredToken>, Error>, want: Option<&StoredToken>) {
        match got {
            Ok(got) if got.as_ref() == want => self.right += 1,
            Ok(None) => self.wrong.push(format!("{what}: absent")),
            Ok(Some(_)) => self.wrong.push(format!("{what}: another record")),
            Err(error) => self.error(what, &error),
        }
    }
}

/// Asks for everything, at once: what is damaged is looked at again for a while.
async fn ask(sound: &Sound, storage: &SqliteStorage) -> Tally {
    let mut tally = Tally::default();
    let mut asked = JoinSet::new();
    for name in sound.records.keys().map(String::as_str).chain(["rs", "zz", "DEFAULT"]) {
        let (storage, name) = (storage.clone(), name.to_owned());
        asked.spawn(async move { (storage.get(&key(&name)).await, name) });
    }
    let listed = list(storage).await;
    while let Some(answer) = asked.join_next().await {
        let (got, name) = answer.unwrap();
        if matches!(got, Ok(Some(_))) {
            tally.readable.insert(name.clone());
        }
        tally.got(&name, got, sound.records.get(&name));
    }
    match listed {
        Ok(keys) if keys.iter().map(TokenKey::resource_server).eq(sound.records.keys()) => tally.right += 1,
        Ok(keys) => tally.wrong.push(format!("listed {keys:?}")),
        Err(error) => tally.error("list", &error),
    }
    tally
}

async fn list(storage: &SqliteStorage) -> Result<Vec<TokenKey>, Error> {
    let mut keys = Vec::new();
    for namespace in (&storage).list_namespaces(None).await?.items {
        keys.extend((&storage).list_keys(&namespace, None).await?.items);
    }
    Ok(keys)
}

/// Stores on top of the damage, and reads back with the same handle and a new one. What was readable stays so; the rest may
/// be gone if the database was replaced.
async fn store(sound: &Sound, storage: &SqliteStorage, path: &Path, name: &str, readable: &BTreeSet<String>) -> Tally {
    let mut tally = Tally::default();
    // It takes pages of its own.
    let new = data(&"new".repeat(PAGE));
    if let Err(error) = storage.store(&key(name), &new, Precondition::Any).await {
        tally.error("store", &error);
        return tally;
    }
    tally.stored += 1;
    let replaced = names(path).iter().any(|name| name.contains(".damaged-"));
    tally.replaced += usize::from(replaced);
    for storage in [storage.clone(), SqliteStorage::open(path).unwrap()] {
        match storage.get(&key(name)).await {
            Ok(Some(got)) if got.data == new => {}
            got => tally.wrong.push(format!("stored {name} and read back {got:?}")),
        }
        for (other, want) in sound.records.iter().filter(|(other, _)| *other != name) {
            match storage.get(&key(other)).await {
                Ok(None) if replaced && !readable.contains(other) => tally.told += 1,
                Err(error) if readable.contains(other) => {
                    tally
                        .wrong
                        .push(format!("{other} was readable before the store: {error}"));
                }
                got => tally.got(&format!("{other} after a store"), got, Some(want)),
            }
        }
    }
    tally.kept = mem::take(&mut tally.right);
    tally
}

fn names(path: &Path) -> Vec<String> {
    common::names(path.parent().unwrap())
}

async fn sweep(sound: &Arc<Sound>, folder: &Path, damages: Vec<(String, Vec<u8>)>) -> Tally {
    let at_once = Arc::new(Semaphore::new(24));
    let mut running = JoinSet::new();
    for (number, (what, bytes)) in damages.into_iter().enumerate() {
        let turn = at_once.clone().acquire_owned().await.unwrap();
        let (sound, own): (_, PathBuf) = (sound.clone(), folder.join(format!("{number}")));
        running.spawn(async move {
            fs::create_dir(&own).unwrap();
            let path = own.join("tokens.db");
            fs::write(&path, bytes).unwrap();
            let storage = SqliteStorage::builder(&path).readers(16).open().unwrap();
            let mut tally = ask(&sound, &storage).await;
            let name = if number % 2 == 0 { "zz" } else { "rs3" };
            let readable = mem::take(&mut tally.readable);
            tally.add(store(&sound, &storage, &path, name, &readable).await);
            drop((storage, turn));
            fs::remove_dir_all(own).unwrap();
            tally
                .wrong
                .iter_mut()
                .for_each(|wrong| *wrong = format!("{what}: {wrong}"));
            tally
        });
    }
    let mut total = Tally::default();
    while let Some(tally) = running.join_next().await {
        total.add(tally.unwrap());
    }
    total
}

async fn run(what: &str, made: Made, damages: impl FnOnce(&Sound) -> Vec<(String, Vec<u8>)>) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let sound = Arc::new(Sound::make(folder.path(), made).await);
    let damages = damages(&sound);
    let count = damages.len();
    let total = sweep(&sound, folder.path(), damages).await;
    let Tally {
        right,
        told,
        stored,
        replaced,
        kept,
        wrong,
        ..
    } = &total;
    println!(
        "{what}: {count} databases, {right} right answers, {told} told as damage, {stored} stores read back, {replaced} \
         databases replaced, {kept} right answers after, {} wrong",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(20)]);
    assert!(told + replaced > 0 && *stored > 0, "the sweep reached what it is for");
    total
}

/// All of it is for soak runs.
fn stride(usual: usize) -> usize {
    if common::soak() { 1 } else { usual }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_cut_is_told() {
    let cuts = |sound: &Sound| {
        let cut = |bytes: usize| {
            (
                format!("cut by {bytes}"),
                sound.bytes[..sound.bytes.len() - bytes].to_vec(),
            )
        };
        (1..=2 * PAGE / 64)
            .step_by(stride(5))
            .map(|step| cut(step * 64))
            .collect()
    };
    let total = run("cuts", Made::Ours, cuts).await;
    assert_eq!(
        total.right, 0,
        "a file that was cut is damaged, whatever is asked of it"
    );
}

fn flip(sound: &Sound, bit: usize) -> (String, Vec<u8>) {
    let mut bytes = sound.bytes.clone();
    bytes[bit / 8] ^= 1 << (bit % 8);
    (format!("bit {} of byte {}", bit % 8, bit / 8), bytes)
}

fn flips(sound: &Sound) -> Vec<(String, Vec<u8>)> {
    let bits = (0..sound.bytes.len() * 8).step_by(37);
    let bits = bits.filter(|bit| !sound.is_text(*bit));
    bits.step_by(stride(41)).map(|bit| flip(sound, bit)).collect()
}

fn swaps(sound: &Sound) -> Vec<(String, Vec<u8>)> {
    let page = sound.page;
    let pages = sound.bytes.len() / page;
    let pairs = (0..pages).flat_map(|first| (first + 1..pages).map(move |second| (first, second)));
    let swap = |(first, second): (usize, usize)| {
        let mut bytes = sound.bytes.clone();
        let (front, back) = bytes.split_at_mut(second * page);
        front[first * page..][..page].swap_with_slice(&mut back[..page]);
        (format!("pages {} and {}", first + 1, second + 1), bytes)
    };
    pairs.map(swap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_flipped_bit_is_told() {
    run("flipped bits", Made::Ours, flips).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_swapped_pages_are_told() {
    run("swapped pages", Made::Ours, swaps).await;
}

impl Sound {
    fn number(&self, place: usize) -> usize {
        u32::from_be_bytes(self.bytes[place..place + 4].try_into().unwrap()) as usize
    }

    /// With every wrong page number in each of these places.
    fn misled(&self, places: impl Iterator<Item = usize>) -> Vec<(String, Vec<u8>)> {
        let pages = 0..self.bytes.len() / self.page + 2;
        let all = places.flat_map(|place| pages.clone().map(move |page| (place, page)));
        let set = |(place, page): (usize, usize)| {
            let mut bytes = self.bytes.clone();
            bytes[place..place + 4].copy_from_slice(&(page as u32).to_be_bytes());
            (format!("number {page} at byte {place}"), bytes)
        };
        all.filter(|(place, page)| self.number(*place) != *page)
            .map(set)
            .collect()
    }
}

/// A page that counts as free while it is in use is written over by the next store that needs one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_damage_of_the_free_pages_costs_no_record() {
    let damages = |sound: &Sound| {
        // The first page of the list of free ones and their count, in the header; then a page of page numbers.
        let (first, count) = (sound.number(32), sound.number(36));
        let list = (first - 1) * sound.page;
        assert!(count > 10 && sound.number(list + 4) > 8, "{count} pages are free");
        let places = [32, 36, list, list + 4]
            .into_iter()
            .chain((2..10).map(|n| list + n * 4));
        sound.misled(places).into_iter().step_by(stride(5)).collect()
    };
    run("free pages", Made::Freed, damages).await;
}

/// So is one beyond the number of pages that the header names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_wrong_number_of_pages_costs_no_record() {
    for made in [Made::Ours, Made::Freed, Made::Elsewhere("PRAGMA auto_vacuum = FULL")] {
        let damages = |sound: &Sound| sound.misled([28].into_iter()).into_iter().skip(1).collect();
        run("number of pages", made, damages).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_damage_is_told_in_databases_of_any_making() {
    for pragmas in [
        "PRAGMA page_size = 1024",
        "PRAGMA auto_vacuum = FULL",
        "PRAGMA auto_vacuum = INCREMENTAL",
        "PRAGMA journal_mode = PERSIST",
    ] {
        let damages = |sound: &Sound| {
            let all = flips(sound).into_iter().chain(swaps(sound));
            all.step_by(stride(7)).collect()
        };
        run(pragmas, Made::Elsewhere(pragmas), damages).await;
    }
}
