/* Bundles in C (C99): many generators in one folder, each for a range of conditions.
 *
 *   calogan_bundle* bundle = NULL;
 *   if (calogan_bundle_open("endcap", &bundle) != CALOGAN_OK) puts(calogan_last_error());
 *   const double asked[] = {10.0, 0.12, 22};              as calogan_bundle_get_condition() says
 *   size_t member;
 *   calogan_bundle_choose(bundle, 1, asked, 3, seed, event, &member, 1);
 *   calogan_generator* generator = NULL;
 *   calogan_bundle_generator(bundle, member, &generator);
 *   calogan_bundle_member_conditions(bundle, member, 1, asked, 3, conditions, room);
 *   calogan_generate(generator, 1, conditions, ...);
 *
 * What a call does is said in bundle.hpp, at the member of the class of that name; on buffers, errors
 * and threads, runner.h has the rules.
 */
#ifndef CALOGAN_BUNDLE_H
#define CALOGAN_BUNDLE_H

#include "calogan/runner.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct calogan_bundle calogan_bundle;

/* On success *out is a bundle, to be given to calogan_bundle_free; else it is null. */
CALOGAN_PUBLIC calogan_status calogan_bundle_open(const char* folder, calogan_bundle** out);
CALOGAN_PUBLIC void calogan_bundle_free(calogan_bundle* bundle); /* null is let pass */

/* Text lives as long as the bundle. Of a null bundle: 0, null. */
CALOGAN_PUBLIC const char* calogan_bundle_name(const calogan_bundle* bundle);
CALOGAN_PUBLIC size_t calogan_bundle_n_conditions(const calogan_bundle* bundle);
CALOGAN_PUBLIC calogan_status calogan_bundle_get_condition(const calogan_bundle* bundle, size_t i,
                                                           calogan_condition* out);
CALOGAN_PUBLIC size_t calogan_bundle_size(const calogan_bundle* bundle);
CALOGAN_PUBLIC size_t calogan_bundle_n_loaded(const calogan_bundle* bundle);
CALOGAN_PUBLIC const char* calogan_bundle_member_name(const calogan_bundle* bundle, size_t member);

/* The members for n showers, event numbers first_event and on. conditions: n_conditions = n x
 * calogan_bundle_n_conditions() values; members: room for n. */
CALOGAN_PUBLIC calogan_status calogan_bundle_choose(const calogan_bundle* bundle, size_t n,
                                                    const double* conditions, size_t n_conditions,
                                                    uint64_t seed, uint64_t first_event,
                                                    size_t* members, size_t n_members);

/* A member as a generator of its own, to be given to calogan_free; it shares the weights with the
 * bundle, and may outlive it. */
CALOGAN_PUBLIC calogan_status calogan_bundle_generator(const calogan_bundle* bundle, size_t member,
                                                       calogan_generator** out);

/* Of the conditions of n showers those that the member takes. out: room for n x its
 * calogan_n_conditions(). */
CALOGAN_PUBLIC calogan_status calogan_bundle_member_conditions(const calogan_bundle* bundle,
                                                               size_t member, size_t n,
                                                               const double* conditions,
                                                               size_t n_conditions, double* out,
                                                               size_t room);

#ifdef __cplusplus
}
#endif

#endif
