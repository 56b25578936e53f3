//! One run: its plan, the world that follows from it, and whom it calls. Sending and checking share it; neither may keep
//! anything else of the other.

use std::sync::Arc;

use crate::SimulatorError;
use crate::plan::Plan;
use crate::send::{Caller, Proofs};
use crate::tally::Live;
use crate::world::World;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) plan: Arc<Plan>,
    pub(crate) world: Arc<World>,
    pub(crate) caller: Arc<Caller>,
    /// As each clinic calls.
    pub(crate) clinics: Arc<[Proofs]>,
    /// What a person may watch.
    pub(crate) live: Arc<Live>,
}

impl Run {
    pub(crate) fn of(plan: Plan) -> Result<Self, SimulatorError> {
        plan.require_playable()?;
        let caller = Caller::new(&plan.targets, plan.connections, plan.retry.timeout)?;
        let clinics = plan.clinics.iter().map(Proofs::of).collect::<Result<_, _>>()?;
        Ok(Self {
            clinics,
            world: Arc::new(World::of(&plan)),
            plan: Arc::new(plan),
            caller: Arc::new(caller),
            live: Arc::default(),
        })
    }

    /// The clinic of a story, as it calls.
    pub(crate) fn clinic_of(&self, story: u64) -> Option<&Proofs> {
        self.clinics.get(self.world.clinic_of(story))
    }
}
