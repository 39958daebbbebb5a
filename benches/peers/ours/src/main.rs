//! The storages of token-storage, and the peers that bring no SQLite of their own: `peers-ours NAME FOLDER RECORDS`, asked
//! by `benches/peers/compare.py`.

mod embedded;
mod object;
mod storages;
mod yup;

use peers_contestant::{arguments, play};

fn main() {
    let (name, folder, records) = arguments();
    match name.as_str() {
        "json" => play::<storages::Json>(&folder, records),
        "sqlite" => play::<storages::Sqlite>(&folder, records),
        "redb" => play::<embedded::Redb>(&folder, records),
        "fjall" => play::<embedded::Fjall>(&folder, records),
        "object_store" => play::<object::Object>(&folder, records),
        "yup-oauth2" => play::<yup::Yup>(&folder, records),
        _ => panic!("no such contestant: {name}"),
    }
}
