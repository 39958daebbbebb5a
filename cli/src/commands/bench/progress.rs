//! How far it is: a bar at a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use token_storage_bench::Progress;

use crate::{text, voice};

#[derive(Clone, Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// indicatif itself shows nothing where standard error is no terminal.
    pub(super) fn start() -> Self {
        if voice::is_json() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(1);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}  {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    pub(super) fn tell(&self, now: &Progress) {
        self.0.set_length(now.of as u64);
        self.0.set_position(now.done as u64);
        self.0
            .set_message(format!("{}: {}", text::one_line(&now.storage), now.doing));
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
