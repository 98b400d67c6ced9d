// The boxes, numbers and arrows that stand in the picture of a timetable.

#pragma once

#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "plan/xml_document.h"

namespace lockflight::plan {

/// Where an element stands, as far as its ancestors are moved up or down.
struct PlacedElement {
  const XmlElement* element = nullptr;
  double down = 0;
  std::string fill;  ///< its own or that of the nearest ancestor
};

inline void place_elements(const XmlElement& element, PlacedElement at,
                           std::vector<PlacedElement>& places) {
  double down = 0;
  if (std::sscanf(element.attribute("transform").c_str(), "translate(0 %lf)", &down) == 1) {
    at.down += down;
  }
  at.element = &element;
  at.fill = element.attribute("fill").empty() ? at.fill : element.attribute("fill");
  places.push_back(at);
  for (const XmlElement& child : element.children) {
    place_elements(child, at, places);
  }
}

struct SvgBox {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;
  std::string fill;
};

/// Every "M x y h w v h h -w z" of the paths.
inline std::vector<SvgBox> svg_boxes(const XmlElement& svg) {
  std::vector<PlacedElement> places;
  place_elements(svg, {}, places);
  std::vector<SvgBox> boxes;
  for (const PlacedElement& place : places) {
    std::istringstream path(place.element->attribute("d"));
    for (std::string part; std::getline(path, part, 'z');) {
      SvgBox box{.fill = place.fill};
      double back = 0;
      int length = 0;
      if (std::sscanf(part.c_str(), "M%lf %lfh%lfv%lfh-%lf%n", &box.left, &box.top, &box.width,
                      &box.height, &back, &length) == 5 &&
          static_cast<std::size_t>(length) == part.size() && back == box.width && box.height > 0) {
        box.top += place.down;
        boxes.push_back(box);
      }
    }
  }
  return boxes;
}

struct SvgText {
  double x = 0;
  double y = 0;
  std::string text;
  std::string fill;
};

inline std::vector<SvgText> svg_texts(const XmlElement& svg) {
  std::vector<PlacedElement> places;
  place_elements(svg, {}, places);
  std::vector<SvgText> texts;
  for (const PlacedElement& place : places) {
    if (place.element->name == "text") {
      const std::string y = place.element->attribute("y");
      texts.push_back({.x = std::stod(place.element->attribute("x")),
                       .y = place.down + (y.empty() ? 0 : std::stod(y)),
                       .text = place.element->text,
                       .fill = place.fill});
    }
  }
  return texts;
}

}  // namespace lockflight::plan
