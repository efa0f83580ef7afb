#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <sstream>

#include "text.hpp"

namespace calogan::app {

using detail::fail;
using detail::text;

const char* const help_text =
    R"(Make calorimeter showers with a trained generator.

usage: calogan-generate MODEL.json --CONDITION VALUE|LOW:HIGH ... [-n N] [-o OUT.h5|OUT.csv]
       calogan-generate MODEL.json --like FILE.h5 [-o OUT.h5|OUT.csv]
       calogan-generate MODEL.json --compile MODEL.calogan [--weights FORMAT]
       calogan-generate MODEL.json

The last form shows the model: its conditions with their units and trained ranges, its layers.
A compiled model takes the place of MODEL.json in all others; so does BUNDLE, a folder made by
'calogan bundle', which has a generator for each range of conditions. Its members are loaded as they
are needed; those that make the showers of one file must have the same cells.
Options may stand in any order, before the model or after it.

conditions
  --energy VALUE        every shower has this incident energy, GeV
  --energy LOW:HIGH     drawn for each shower: log-uniform for a condition on a log scale, else uniform
  --theta ...           likewise, and so on for each condition of the model
  --particle NAME,...   of a condition that takes a few values, such as a particle: one, by its name or
                        number, or several, of which each shower gets one at random

options
  -n, --number N        how many showers, default 1000; not with --like
  -o, --output FILE     the ending says the format; others than these are refused
                        .h5, .hdf5: a store of showers as 'calogan voxelize' writes them
                        .csv: one row per cell over threshold: event, the conditions, layer, number
                        of the cell in its layer, x, y, z (centre, mm), energy (MeV)
  --like FILE.h5        one shower for each entry of a store, same order, same conditions, which
                        are then not given as options
  --seed S              default 1; same seed, same showers, whatever --threads and --batch are.
                        'calogan generate' draws other random numbers: for one seed the two programs
                        give different showers, each the same ones every time
  --first-event N       number of the first shower, default 0: jobs with one seed and different
                        event numbers make different showers
  --threshold MEV       cells below this are 0; default: what the model was made for
  --allow-extrapolation take conditions outside the trained range; not with a bundle
  --threads N           default 1
  --batch N             showers computed together, default up to 1024
  --latents FILE.h5     take the random numbers from data set 'latents' (n, latent size) instead
  --compile FILE        write the model to FILE in a form that loads in milliseconds, and that
                        programs on one machine share in memory
  --weights FORMAT      of a compiled model: float32 (default: exact), bfloat16 or int8, which take a
                        half and a quarter of the memory and are rounded
  -q, --quiet           no progress
  -h, --help            this text
  --version

exit status
  0    done
  1    an error that is not in what was given, such as too little memory
  2    something given cannot be used: an option, a condition, a model, a file
  130  interrupted

examples
  calogan-generate generator.json --energy 10 --theta 0.1 -n 1000 -o showers.csv
  calogan-generate generator.json --energy 1:50 --theta 0:0.35 -n 100000 --threads 4 -o showers.h5
  calogan-generate generator.json --like geant4.h5 --seed 2 -o generated.h5
  calogan-generate endcap --energy 1:50 --eta 1.5:1.6 --particle 22 -o showers.h5
)";

namespace {

std::uint64_t whole_number(const std::string& name, const std::string& value, std::uint64_t least) {
  std::uint64_t out = 0;
  const char* const end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, out);
  if (result.ec != std::errc() || result.ptr != end || out < least) {
    fail(name, " is \"", value, "\", expected a whole number, ", least, " or more");
  }
  return out;
}

double number(const std::string& name, std::string_view value) {
  double out = 0;
  const char* const end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, out);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(out)) {
    fail(name, " is \"", value, "\", expected a number");
  }
  return out;
}

Weights weights_format(const std::string& value) {
  if (value == "float32") return Weights::float32;
  if (value == "bfloat16") return Weights::bfloat16;
  if (value == "int8") return Weights::int8;
  fail("--weights is \"", value, "\", expected float32, bfloat16 or int8");
}

std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

struct Option {
  std::string name;
  std::string short_name;
  bool takes_value;
  std::function<void(Options&, const std::string&)> set;
};

const std::vector<Option>& own_options() {
  static const std::vector<Option> options = {
      {"--output", "-o", true, [](Options& o, const std::string& v) { o.output = v; }},
      {"--number", "-n", true,
       [](Options& o, const std::string& v) { o.number = whole_number("--number", v, 1); }},
      {"--seed", "", true,
       [](Options& o, const std::string& v) { o.seed = whole_number("--seed", v, 0); }},
      {"--first-event", "", true,
       [](Options& o, const std::string& v) {
         o.first_event = whole_number("--first-event", v, 0);
       }},
      {"--like", "", true, [](Options& o, const std::string& v) { o.like = v; }},
      {"--latents", "", true, [](Options& o, const std::string& v) { o.latents = v; }},
      {"--threshold", "", true,
       [](Options& o, const std::string& v) { o.threshold = number("--threshold", v); }},
      {"--allow-extrapolation", "", false,
       [](Options& o, const std::string&) { o.allow_extrapolation = true; }},
      {"--threads", "", true,
       [](Options& o, const std::string& v) {
         o.threads = std::min<std::size_t>(whole_number("--threads", v, 1), 1024);
       }},
      {"--batch", "", true,
       [](Options& o, const std::string& v) {
         o.batch = std::min<std::size_t>(whole_number("--batch", v, 1), 1u << 20);
       }},
      {"--compile", "", true, [](Options& o, const std::string& v) { o.compile = v; }},
      {"--weights", "", true,
       [](Options& o, const std::string& v) { o.weights = weights_format(v); }},
      {"--quiet", "-q", false, [](Options& o, const std::string&) { o.quiet = true; }},
      {"--help", "-h", false, [](Options& o, const std::string&) { o.help = true; }},
      {"--version", "", false, [](Options& o, const std::string&) { o.version = true; }},
  };
  return options;
}

// The values of labels that are listed by name or number.
std::vector<double> labels(const std::string& option, const std::string& list,
                           const Condition& condition) {
  std::vector<double> values;
  std::istringstream parts(list + ",");
  for (std::string part; std::getline(parts, part, ',');) {
    const auto found = std::find_if(
        condition.labels.begin(), condition.labels.end(), [&](const Label& label) {
          return part == label.name || part == text(static_cast<long long>(label.value));
        });
    if (found == condition.labels.end()) {
      std::string names;
      for (const Label& label : condition.labels) {
        names += text(names.empty() ? "" : ", ", label.name, " (",
                      static_cast<long long>(label.value), ")");
      }
      fail(option, " is \"", list, "\", expected among ", names);
    }
    values.push_back(found->value);
  }
  return values;
}

}  // namespace

std::string_view name_of(Weights weights) {
  return weights == Weights::float32 ? "float32" : weights == Weights::bfloat16 ? "bfloat16" : "int8";
}

std::string nearest(const std::string& wanted, const std::vector<std::string>& names) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, wanted.size() / 3) + 1;
  for (const std::string& name : names) {
    const std::size_t d = distance(wanted, name);
    if (d < least) {
      least = d;
      best = name;
    }
  }
  return best;
}

Options parse_options(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (name.size() < 2 || name[0] != '-') {
      if (!options.model.empty()) {
        fail("got two models, ", options.model, " and ", name, ", expected one");
      }
      options.model = name;
      continue;
    }
    std::optional<std::string> value;
    if (const std::size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const auto found = std::find_if(
        own_options().begin(), own_options().end(),
        [&](const Option& option) { return name == option.name || name == option.short_name; });
    const bool own = found != own_options().end();
    if (!own && name.substr(0, 2) != "--") {
      fail("no option ", name, "; --help lists them");
    }
    if (own && !found->takes_value) {
      if (value) fail(name, " takes no value");
      found->set(options, {});
      continue;
    }
    if (!value) {
      if (++i == arguments.size()) fail(name, " needs a value");
      value = arguments[i];
    }
    if (own) {
      found->set(options, *value);
    } else if (!options.conditions.emplace(name.substr(2), *value).second) {
      fail(name, " is given twice");
    }
  }
  return options;
}

std::map<std::string, Range> parse_conditions(const Options& options,
                                              const std::vector<Condition>& known) {
  std::map<std::string, Range> out;
  for (const auto& given : options.conditions) {
    const std::string& name = given.first;
    const std::string& value = given.second;
    const auto condition = std::find_if(known.begin(), known.end(),
                                        [&](const Condition& c) { return c.name == name; });
    const std::string option = "--" + name;
    if (condition == known.end()) {
      std::vector<std::string> names;
      names.reserve(known.size() + own_options().size());
      for (const Condition& c : known) names.push_back("--" + c.name);
      for (const Option& o : own_options()) names.push_back(o.name);
      const std::string near = nearest(option, names);
      fail("no option ", option, ", and no such condition in the model",
           near.empty() ? "; --help lists the options" : "; nearest: ", near);
    }
    Range range{};
    if (!condition->labels.empty()) {
      range.among = labels(option, value, *condition);
      range.low = range.high = range.among.front();
    } else if (const std::size_t colon = value.find(':'); colon != std::string::npos) {
      const std::string_view view = value;
      range = {number(option, view.substr(0, colon)), number(option, view.substr(colon + 1))};
      if (range.low > range.high) {
        fail(option, " is \"", value, "\", expected LOW:HIGH with LOW <= HIGH");
      }
      if (condition->logarithmic && !(range.low > 0)) {
        fail(option, " is \"", value, "\"; its scale is logarithmic, expected LOW > 0");
      }
    } else {
      const double single = number(option, value);
      range = {single, single};
    }
    out.emplace(name, range);
  }
  return out;
}

}  // namespace calogan::app
