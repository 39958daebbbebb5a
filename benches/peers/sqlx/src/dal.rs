//! OpenDAL over files, one for each record, and over a table of SQLite.

use std::path::Path;

use opendal::{Operator, services};
use peers_contestant::{Contestant, Failed, Record, key};
use sqlx::SqlitePool;

pub(crate) struct Files(Operator);

impl Contestant for Files {
    const BESIDE: &'static str = "sqlite";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "every process sees it; a file for each record, its folder is not synced";
    type Got = Record;

    async fn fill(folder: &Path, records: usize) {
        let files = folder.join("records");
        std::fs::create_dir(&files).expect("to fill");
        for n in 0..records {
            std::fs::write(files.join(key(n)), Record::new(n, 0).encode()).expect("to fill");
        }
    }

    async fn open(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name).display().to_string();
        let files = services::Fs::default()
            .root(&path("records"))
            .atomic_write_dir(&path("unfinished"));
        Self(Operator::new(files).expect("to open"))
    }

    async fn get(&self, n: usize) -> Record {
        read(&self.0, n).await
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        write(&self.0, n, turn).await
    }
}

pub(crate) struct Sqlite(Operator);

impl Contestant for Sqlite {
    const BESIDE: &'static str = "sqlite";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "every process sees it; SQLite, a rollback journal and FULL, as it opens it";
    type Got = Record;

    async fn fill(folder: &Path, records: usize) {
        let pool = SqlitePool::connect_with(crate::plain(folder)).await.expect("to open");
        let create = "CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB NOT NULL)";
        sqlx::query(create).execute(&pool).await.expect("a table");
        let mut transaction = pool.begin().await.expect("to fill");
        for n in 0..records {
            let insert = sqlx::query("INSERT INTO records VALUES (?1, ?2)")
                .bind(key(n))
                .bind(Record::new(n, 0).encode());
            insert.execute(&mut *transaction).await.expect("to fill");
        }
        transaction.commit().await.expect("to fill");
        pool.close().await;
    }

    async fn open(folder: &Path) -> Self {
        let table = services::Sqlite::default()
            .connection_string(&format!("sqlite://{}", folder.join("tokens.db").display()))
            .table("records");
        Self(Operator::new(table).expect("to open"))
    }

    async fn get(&self, n: usize) -> Record {
        read(&self.0, n).await
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        write(&self.0, n, turn).await
    }
}

async fn read(operator: &Operator, n: usize) -> Record {
    Record::decode(&operator.read(&key(n)).await.expect("a record").to_vec())
}

async fn write(operator: &Operator, n: usize, turn: u64) -> Result<(), Failed> {
    operator.write(&key(n), Record::new(n, turn).encode()).await?;
    Ok(())
}
