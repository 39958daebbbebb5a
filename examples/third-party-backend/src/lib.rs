//! OAuth tokens in a folder, one file a record: a backend that was written from the documentation of token-storage
//! alone, to be read beside `docs/writing-a-backend.md`.
//!
//! | in the folder | is |
//! |---|---|
//! | `<64 hexadecimal digits>.json` | a record; the name is a digest of its key, as keys may be long and hold any byte |
//! | `batch` | a batch that is being put in place; it counts as stored from the moment it is there |
//! | `batch.lock`, `batch.leases/` | the lock of writers, the refresh leases; never deleted |
//! | `.<name>.<random>.tmp` | a file being written; one that a kill left is removed by the next writer |
//! | `<name>.damaged-<random>` | a damaged file that a later write kept aside |

mod batch;
mod damage;
mod enumerate;
mod folder;
mod record;
mod scheme;
mod storage;
mod write;

pub use scheme::FolderScheme;
pub use storage::FolderStorage;
