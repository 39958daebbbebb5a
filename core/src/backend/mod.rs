//! For authors of backends: how a storage is named by a URL, opened, examined and administered.
//!
//! A backend says this once, as a [`Scheme`], and every program that knows the scheme does the rest: the facade opens its
//! URLs (`Schemes::with` of `token-storage`), the command `token-storage` has them in its help and all its commands work on
//! them. `docs/writing-a-backend.md` of the repository leads there.
//!
//! | to find | look in |
//! |---|---|
//! | what a kind of storage is called, and how its URLs look | [`Scheme`], [`SchemeInfo`], [`UrlForm`] |
//! | one storage that a URL names | [`Location`], [`Opened`] |
//! | what wraps a storage and is named in its URL | [`Layer`], [`LayerInfo`] |
//! | what people should know although nothing failed | [`Warnings`] |
//! | what can be done to a storage besides storing tokens | [`Action`], [`ActionInfo`], [`Outcome`] |
//! | what a wrapper of a storage does not change | [`forward!`] |
//! | what time it is, and how tests say so | [`Clock`], [`SystemClock`] |
//! | until when a timed lease is its holder's | [`Deadline`] |
//! | how messages count | [`counted`] |
//! | the grammars that URLs of several backends share | [`split`], [`parse_path`], [`Named`] |

mod action;
mod forward;
mod layer;
mod location;
mod memory;
mod named;
mod path;
mod percent;
mod scheme;
mod warnings;

pub use action::{Action, ActionInfo, ActionOption, Arguments, Outcome, Progress, Shown};
#[doc(inline)]
pub use forward::forward;
pub use layer::{Layer, LayerInfo, layered};
pub use location::{Location, Opened};
pub use memory::MemoryScheme;
pub use named::Named;
pub use path::{format_path, parse_path};

pub use crate::{
    clock::{Clock, SystemClock},
    deadline::Deadline,
    rounds::Rounds,
    words::counted,
};
pub use scheme::{Scheme, SchemeInfo, UrlForm, split, unusable};
pub use warnings::Warnings;
