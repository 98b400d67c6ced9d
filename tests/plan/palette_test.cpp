#include "plan/palette.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace lockflight::plan {
namespace {

using schedule::ActionKind;

constexpr std::array kKinds = {ActionKind::forward, ActionKind::backward,
                               ActionKind::input_gradient, ActionKind::weight_gradient};
constexpr int kMostShades = 8;

// Linear light.
using Light = std::array<double, 3>;
using Matrix = std::array<Light, 3>;

struct Sight {
  std::string name;
  Matrix matrix;
};

// What is left of red, green and blue where one kind of cone is missing.
// Source: Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of
// Color Vision Deficiency", table of matrices for severity 1.0.
const std::vector<Sight> kSights = {
    {"all cones", {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}},
    {"protanopia",
     {{{0.152286, 1.052583, -0.204868},
       {0.114503, 0.786281, 0.099216},
       {-0.003882, -0.048116, 1.051998}}}},
    {"deuteranopia",
     {{{0.367322, 0.860646, -0.227968},
       {0.280085, 0.672501, 0.047413},
       {-0.011820, 0.042940, 0.968881}}}},
    {"tritanopia",
     {{{1.255528, -0.076749, -0.178779},
       {-0.078411, 0.930809, 0.147602},
       {0.004733, 0.691367, 0.303900}}}},
};

// Of the sRGB standard, IEC 61966-2-1.
double linear(double channel) {
  return channel <= 0.04045 ? channel / 12.92 : std::pow((channel + 0.055) / 1.055, 2.4);
}

double luminance(Colour colour, const Matrix& matrix) {
  const Light light = {linear(colour.red / 255.0), linear(colour.green / 255.0),
                       linear(colour.blue / 255.0)};
  Light seen{};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      seen[i] += matrix[i][j] * light[j];
    }
    seen[i] = std::clamp(seen[i], 0.0, 1.0);
  }
  return 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2];
}

// Of WCAG 2.1: 1 for equal luminance, 21 between black and white.
double contrast(double a, double b) { return (std::max(a, b) + 0.05) / (std::min(a, b) + 0.05); }

// Every shade that a kind can have.
std::vector<Colour> shades_of(ActionKind kind) {
  std::vector<Colour> shades;
  for (int count = 1; count <= kMostShades; ++count) {
    for (int shade = 0; shade < count; ++shade) {
      shades.push_back(colour_of(kind, shade, count));
    }
  }
  return shades;
}

TEST(PaletteTest, LuminanceIsThatOfTheStandard) {
  EXPECT_EQ(relative_luminance(kBlack), 0);
  EXPECT_NEAR(relative_luminance(kWhite), 1, 1e-12);
  EXPECT_NEAR(relative_luminance({119, 119, 119}), 0.184475, 1e-6);
  for (const ActionKind kind : kKinds) {
    const Colour colour = colour_of(kind, 0, 1);
    EXPECT_NEAR(relative_luminance(colour), luminance(colour, kSights[0].matrix), 1e-12);
  }
}

// So print and grey screens keep them apart, and eyes of every kind: what differs in luminance
// needs no hue.
TEST(PaletteTest, KindsDifferInLuminanceForEverySight) {
  for (const Sight& sight : kSights) {
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
      for (const Colour a : shades_of(kKinds[i])) {
        const double of_a = luminance(a, sight.matrix);
        EXPECT_GE(contrast(of_a, 1), 1.4) << sight.name << " " << to_string(a) << " on white";
        for (std::size_t j = i + 1; j < kKinds.size(); ++j) {
          for (const Colour b : shades_of(kKinds[j])) {
            const double of_b = luminance(b, sight.matrix);
            EXPECT_LT(of_a, of_b) << sight.name << " " << to_string(a) << " " << to_string(b);
            EXPECT_GE(contrast(of_a, of_b), 1.35)
                << sight.name << " " << to_string(a) << " " << to_string(b);
          }
        }
      }
    }
  }
}

TEST(PaletteTest, StagesOfARankAreShadesFromDarkToLight) {
  for (const ActionKind kind : kKinds) {
    EXPECT_EQ(colour_of(kind, 0, 1), colour_of(kind, 0, 2));
    EXPECT_GE(contrast(relative_luminance(colour_of(kind, 0, 2)),
                       relative_luminance(colour_of(kind, 1, 2))),
              1.2);
    for (int shade = 1; shade < kMostShades; ++shade) {
      EXPECT_LT(relative_luminance(colour_of(kind, shade - 1, kMostShades)),
                relative_luminance(colour_of(kind, shade, kMostShades)));
    }
  }
}

TEST(PaletteTest, NumbersCanBeRead) {
  for (const ActionKind kind : kKinds) {
    for (const Colour colour : shades_of(kind)) {
      EXPECT_GE(contrast(relative_luminance(writing_on(colour)), relative_luminance(colour)), 4.5)
          << to_string(colour);
    }
  }
}

TEST(PaletteTest, AreWrittenAsHexadecimalNumbers) {
  EXPECT_EQ(to_string(Colour{0, 10, 255}), "#000aff");
}

}  // namespace
}  // namespace lockflight::plan
