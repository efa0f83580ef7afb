// In place of Geant4's header of this name, for an installation without data files: electromagnetic
// physics that needs none.
#pragma once

#include <EmStandalone.hh>

using FTFP_BERT = EmStandaloneList;
