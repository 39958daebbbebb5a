//! The kinds of storages that URLs can name.

use std::sync::Arc;

use token_storage_core::{
    Finding, Result, TokenStorage,
    backend::{Layer, LayerInfo, Scheme, SchemeInfo, split, unusable},
};

use crate::{
    StorageUrl,
    backends::{FEATURES, LAYERS, compiled_in, compiled_in_layers},
};

/// The schemes of storage URLs that a program knows, and the layers that may stand in front of them: the built-in ones,
/// and those that it adds.
///
/// ```
/// use token_storage::{Schemes, TokenStorage, backend::MemoryScheme};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
/// // In place of `MemoryScheme` the one of a backend in a crate of its own.
/// let schemes = Schemes::builtin().with(MemoryScheme);
/// let storage = schemes.open("memory:").await?;
/// assert_eq!(storage.describe().backend, "memory");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Schemes {
    schemes: Vec<Arc<dyn Scheme>>,
    layers: Vec<Arc<dyn Layer>>,
}

/// The built-in ones.
impl Default for Schemes {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Schemes {
    /// `memory:`, one for each backend whose feature is on, and the layers whose feature is.
    pub fn builtin() -> Self {
        Self {
            schemes: compiled_in(),
            layers: compiled_in_layers(),
        }
    }

    /// And this one; it replaces one of the same name.
    #[must_use]
    pub fn with(mut self, scheme: impl Scheme + 'static) -> Self {
        let name = scheme.describe().name;
        self.schemes.retain(|known| known.describe().name != name);
        self.schemes.push(Arc::new(scheme));
        self
    }

    /// And this layer; it replaces one of the same name.
    #[must_use]
    pub fn with_layer(mut self, layer: impl Layer + 'static) -> Self {
        let name = layer.describe().name;
        self.layers.retain(|known| known.describe().name != name);
        self.layers.push(Arc::new(layer));
        self
    }

    /// What each is called and can do.
    pub fn describe(&self) -> Vec<SchemeInfo> {
        self.schemes.iter().map(|scheme| scheme.describe()).collect()
    }

    /// What may stand in front of each.
    pub fn layers(&self) -> Vec<LayerInfo> {
        self.layers.iter().map(|layer| layer.describe()).collect()
    }

    /// Reads a storage URL.
    ///
    /// # Errors
    /// - [`Misconfigured`](crate::ErrorKind::Misconfigured): no scheme, an unknown one, or something that the scheme does not
    ///   take. The message says what would be right, names the feature of a backend that is not compiled in, and quotes at
    ///   most the scheme, since anything else might be a secret pasted by mistake.
    pub fn parse(&self, url: &str) -> Result<StorageUrl> {
        // A scheme may have a `+` in its name.
        let named = split(url).filter(|(name, _)| self.has(name));
        if let (None, Some((layer, below))) = (named, self.outermost(url)) {
            return Ok(self.parse(below)?.below(layer.clone()));
        }
        if let Some((layer, feature)) = self.missing_layer(url) {
            return Err(unusable(format!(
                "`{layer}+` is not compiled in; build with the feature `{feature}`"
            )));
        }
        let (name, rest) = split(url).ok_or_else(|| unusable(self.no_scheme()))?;
        match self.schemes.iter().find(|scheme| scheme.describe().name == name) {
            Some(scheme) => Ok(StorageUrl::new(scheme.clone(), scheme.parse(rest)?)),
            None => Err(unusable(self.unknown(&name))),
        }
    }

    /// The layer in front, and the URL of what it wraps.
    fn outermost<'a>(&self, url: &'a str) -> Option<(&Arc<dyn Layer>, &'a str)> {
        let (name, below) = url.split_once('+')?;
        let is_it = |layer: &&Arc<dyn Layer>| layer.describe().name.eq_ignore_ascii_case(name);
        Some((self.layers.iter().find(is_it)?, below))
    }

    /// Opens the storage that a URL names; see [`open`](crate::open), which does so for the built-in schemes.
    /// [`StorageUrl::open`] yields its warnings, too.
    ///
    /// # Errors
    /// - Those of [`Schemes::parse`], and those of the backend's own `open`.
    pub async fn open(&self, url: &str) -> Result<Arc<dyn TokenStorage>> {
        Ok(self.parse(url)?.open().await?.into_storage())
    }

    /// Examines the storage that a URL names; see [`examine`](crate::examine).
    ///
    /// # Errors
    /// - Those of [`Schemes::parse`], and what keeps the backend from looking.
    pub async fn examine(&self, url: &str) -> Result<Vec<Finding>> {
        self.parse(url)?.examine().await
    }

    /// A layer in front that comes with a feature which is off.
    fn missing_layer(&self, url: &str) -> Option<(&'static str, &'static str)> {
        let (name, _) = url.split_once('+')?;
        let missing = LAYERS.iter().find(|(layer, _)| layer.eq_ignore_ascii_case(name));
        missing.copied().filter(|_| self.outermost(url).is_none())
    }

    fn no_scheme(&self) -> String {
        let is_file = |form: &&str| form.ends_with(":PATH");
        let files = listed(self.forms().iter().copied().filter(is_file), "or");
        let advice = match &*files {
            "" => String::new(),
            files => format!("for a file write {files}; "),
        };
        format!("it has no scheme in front; {advice}{}", self.known())
    }

    fn unknown(&self, name: &str) -> String {
        if FEATURES.contains(&name) {
            return format!("`{name}:` storages are not compiled in; build with the feature `{name}`");
        }
        let off: Vec<String> = FEATURES
            .iter()
            .filter(|feature| !self.has(feature))
            .map(|feature| format!("{feature}:"))
            .collect();
        let off = match listed(off.iter().map(String::as_str), "and") {
            none if none.is_empty() => none,
            off => format!("{off} come with the feature of that name, "),
        };
        format!(
            "the scheme `{name}:` is unknown; {}; {off}others come with a crate whose scheme the program adds",
            self.known()
        )
    }

    fn has(&self, name: &str) -> bool {
        self.schemes.iter().any(|scheme| scheme.describe().name == name)
    }

    fn known(&self) -> String {
        let known = format!("known are {}", listed(self.forms().into_iter(), "and"));
        let layers: Vec<String> = self.layers().iter().map(|layer| format!("{}+", layer.name)).collect();
        match &*listed(layers.iter().map(String::as_str), "and") {
            "" => known,
            layers => format!("{known}, with {layers} in front if wanted"),
        }
    }

    /// The usual form of each.
    fn forms(&self) -> Vec<&'static str> {
        let usual = |info: SchemeInfo| info.forms.first().map(|form| form.form);
        self.describe().into_iter().filter_map(usual).collect()
    }
}

/// Without the parameters, each in quotes.
fn listed<'a>(forms: impl Iterator<Item = &'a str>, and: &str) -> String {
    let quoted: Vec<String> = forms
        .map(|form| format!("`{}`", form.split('?').next().unwrap_or(form)))
        .collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {and} {last}", others.join(", ")),
        None => String::new(),
    }
}
