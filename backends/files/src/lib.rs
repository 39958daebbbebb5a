//! What the file-based backends of token-storage share: paths, owner-only files, durable replacement, the lock between
//! processes and the refresh lease. It knows no file format.
//!
//! Everything is created owner-only from its first instant, without touching the process's umask (clause D4 of
//! `docs/contract.md`). Lock and lease files are never deleted: unlinking a lock file while another process waits for it
//! gives two holders (D2).

mod error;
mod examine;
mod lease;
mod lock;
#[cfg(target_os = "linux")]
mod mounts;
mod network;
mod obstacles;
mod path;
mod permissions;
mod replace;
mod room;
mod thread;

pub use error::{io_error, too_few_descriptors};
pub use examine::{examine, examine_mode};
pub use lease::FileLease;
pub use lock::{LockGuard, SidecarLock};
pub use network::network_file_system;
pub use obstacles::{Obstacle, obstacles, prove_replaceable, replace_error};
pub use path::{beside, create_parents, resolve};
pub use permissions::{allow_owner, create_private, may_write, private_options, tighten};
pub use replace::{Directory, Replacement, sweep, sync_directory, temporaries, temporaries_with};
pub use room::free_bytes;
pub use thread::on_own_thread;
