//! A node's plot on disk: made once, layer by layer, so that an interrupted plotting goes on where it was.
//!
//! | file | what |
//! |---|---|
//! | `plot.key` | what the labels are hashed under, so that a plot of another key is not taken for this one |
//! | `layer-NN.part` | the layer under way and the one before it, while the plot is made |
//! | `plot.labels` | the last layer, once it is whole |
//!
//! Labels are appended in steps, and each step is on disk before the next begins. What resuming trusts is
//! therefore all but the last step, which it computes again. Labels that rot later are not noticed here: the
//! plot's root is then another than the one genesis lists, and the node refuses to start.

#[cfg(test)]
mod tests;

use crate::data::{make_private_folder, sync_folder};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use hypermesh_core::base::{Profile, PublicKey};
use hypermesh_core::hypermesh::proof::{Label, Plot, PlotKey, Plotter, Progress, SpaceParameters, plot_key};
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Labels of a step: two mebibytes.
const STEP_LABELS: u32 = 1 << 16;
/// Far more than the key takes, in hexadecimal.
const KEY_FILE_BYTES_MAX: usize = 256;
const LABEL_BYTES: usize = size_of::<Label>();

/// A node's plot on disk.
#[derive(Clone, Debug)]
pub struct PlotFolder {
    path: PathBuf,
    key: PlotKey,
    parameters: SpaceParameters,
    step_labels: u32,
}

impl PlotFolder {
    /// The plot of a member, in this folder, whether it is made yet or not.
    #[must_use]
    pub fn new(path: PathBuf, network: &str, profile: Profile, member: &PublicKey) -> Self {
        let key = plot_key(network, profile, member);
        Self { path, key, parameters: profile.proofs().space, step_labels: STEP_LABELS }
    }

    /// Reads the plot and builds the tree over it. Heavy.
    ///
    /// # Errors
    /// If it is not made yet, or is of another key.
    pub fn load(&self) -> Result<Plot, Failure> {
        if !self.labels_file().exists() {
            let message = format!(
                "{} has no complete plot: make it with `hypermesh node init`, or run `hypermesh node \
                restore` again",
                self.path.display()
            );
            return Err(Failure::new(Exit::Input, message));
        }
        self.check_key()?;
        let labels = self.read_labels(&self.labels_file(), self.parameters.labels() as usize)?;
        Plot::from_labels(self.parameters, labels).map_err(|error| fault(&self.labels_file(), &error))
    }

    /// Reads the plot if it is made, and makes what is missing of it otherwise, telling how far it is.
    /// Heavy: seconds for a devnet's, hours for one of production.
    ///
    /// # Errors
    /// If the folder holds a plot of another key, or the disk fails.
    pub fn load_or_make(&self, tell: &mut dyn FnMut(Progress)) -> Result<Plot, Failure> {
        if self.labels_file().exists() {
            self.remove_layers(0..self.parameters.layers())?;
            return self.load();
        }
        make_private_folder(&self.path)?;
        if self.key_file().exists() {
            self.check_key()?;
        } else {
            file::write(&self.key_file(), format!("{}\n", self.key.0).as_bytes(), Access::Public)?;
        }
        self.make(self.resume()?, tell)
    }

    fn make(&self, mut plotter: Plotter, tell: &mut dyn FnMut(Progress)) -> Result<Plot, Failure> {
        tell(plotter.progress());
        while !plotter.progress().is_complete() {
            let progress = plotter.advance(self.step_labels);
            let layer = plotter.layer();
            self.append(layer, plotter.newly_filled())?;
            self.remove_layers(0..layer.saturating_sub(1))?;
            tell(progress);
        }
        let last = plotter.layer();
        let moved = std::fs::rename(self.layer_file(last), self.labels_file());
        moved.and_then(|()| sync_folder(Some(&self.path))).map_err(|error| fault(&self.path, &error))?;
        self.remove_layers(0..last)?;
        Ok(plotter.finish())
    }

    /// The plotter where it was interrupted.
    fn resume(&self) -> Result<Plotter, Failure> {
        let layers = (0..self.parameters.layers()).rev();
        let Some(layer) = layers.clone().find(|layer| self.layer_file(*layer).exists()) else {
            return Ok(Plotter::new(self.parameters, self.key));
        };
        let path = self.layer_file(layer);
        let bytes = std::fs::metadata(&path).map_err(|error| fault(&path, &error))?.len();
        let step_bytes = u64::from(self.step_labels) * LABEL_BYTES as u64;
        let trusted = bytes.saturating_sub(1) / step_bytes * step_bytes;
        let cut = OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(trusted));
        cut.map_err(|error| fault(&path, &error))?;
        let labels = self.parameters.labels() as usize;
        let current = self.read_labels(&path, labels)?;
        let previous = match layer.checked_sub(1) {
            Some(before) => self.read_labels(&self.layer_file(before), labels)?,
            None => Vec::new(),
        };
        let resumed = Plotter::resume(self.parameters, self.key, layer, previous, current);
        resumed.map_err(|error| {
            let folder = self.path.display();
            Failure::new(Exit::Input, format!("{folder}: {error}; remove the folder to start again"))
        })
    }

    fn append(&self, layer: u32, labels: &[Label]) -> Result<(), Failure> {
        let path = self.layer_file(layer);
        let write = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(labels.as_flattened())?;
            file.sync_all()
        };
        write().map_err(|error| fault(&path, &error))
    }

    fn read_labels(&self, path: &Path, labels_max: usize) -> Result<Vec<Label>, Failure> {
        let bytes = File::open(path).and_then(|file| file.metadata()).map_err(|error| fault(path, &error))?;
        if bytes.len() > (labels_max * LABEL_BYTES) as u64 {
            return Err(fault(
                path,
                &"longer than a layer of this profile: the plot was made for another \
                profile",
            ));
        }
        if bytes.len() % LABEL_BYTES as u64 != 0 {
            return Err(fault(path, &"truncated within a label: remove the plot and make it again"));
        }
        // Straight to where they stay: a second copy would double what a node needs to start.
        let count = usize::try_from(bytes.len()).unwrap_or(usize::MAX) / LABEL_BYTES;
        let mut labels: Vec<Label> = Vec::new();
        labels.try_reserve_exact(count).map_err(|_| {
            let needed = bytes.len() >> 20;
            fault(
                path,
                &format!(
                    "not enough memory for the plot, which takes {needed} MiB: raise the memory limit \
                    of the process"
                ),
            )
        })?;
        labels.resize(count, [0; LABEL_BYTES]);
        let read = File::open(path).and_then(|mut file| file.read_exact(labels.as_flattened_mut()));
        read.map_err(|error| fault(path, &error))?;
        Ok(labels)
    }

    /// Removes the files of layers that are not needed any more, where there are any.
    fn remove_layers(&self, layers: Range<u32>) -> Result<(), Failure> {
        for path in layers.map(|layer| self.layer_file(layer)) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(fault(&path, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn check_key(&self) -> Result<(), Failure> {
        let path = self.key_file();
        let found = file::read_text(&path, KEY_FILE_BYTES_MAX)?;
        if found.trim() == self.key.0.to_string() {
            return Ok(());
        }
        let what = "the plot in this folder was made for another identity, network or profile: remove the \
            folder to make a new one, or restore the configuration that it was made with";
        Err(Failure::new(Exit::Input, format!("{}: {what}", path.display())))
    }

    fn key_file(&self) -> PathBuf {
        self.path.join("plot.key")
    }

    fn labels_file(&self) -> PathBuf {
        self.path.join("plot.labels")
    }

    fn layer_file(&self, layer: u32) -> PathBuf {
        self.path.join(format!("layer-{layer:02}.part"))
    }
}

fn fault(path: &Path, what: &dyn Display) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {what}", path.display()))
}
