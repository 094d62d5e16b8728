"use strict";
// The structure in Mol*, whose script and style are unpacked from the page.

class View {
  // Start Mol* in an element; an error says what is missing.
  static async start(host) {
    const probe = document.createElement("canvas");
    if (!probe.getContext("webgl2") && !probe.getContext("webgl"))
      throw new Error("this browser has no WebGL, so the structure cannot be shown here");
    document.head.append(Object.assign(document.createElement("style"), { textContent: await unpackText("viewer-style") }));
    document.head.append(Object.assign(document.createElement("script"), { textContent: await unpackText("viewer-script") }));
    const inner = Object.assign(document.createElement("div"), { className: "inner" });
    host.replaceChildren(inner);
    const viewer = await molstar.Viewer.create(inner, {
      extensions: ["ma-quality-assessment"],
      layoutIsExpanded: false,
      layoutShowControls: false,
      layoutShowRemoteState: false,
      volumeStreamingDisabled: true,
      viewportShowAnimation: false,
      viewportShowControls: false,
      viewportShowReset: false,
      viewportShowSelectionMode: false,
      viewportShowSettings: false,
      viewportShowToggleFullscreen: false,
    });
    return new View(viewer);
  }

  constructor(viewer) {
    this.viewer = viewer;
    this.plugin = viewer.plugin;
    this.theme = "plddt-confidence";
    this.queue = Promise.resolve();
  }

  // Samples are shown one after the other, however fast they are chosen.
  show(mmcif) {
    this.queue = this.queue.catch(() => {}).then(() => this.load(mmcif));
    return this.queue;
  }

  async load(mmcif) {
    const { data, structure } = this.plugin.builders;
    await this.plugin.clear();
    const trajectory = await structure.parseTrajectory(await data.rawData({ data: mmcif }), "mmcif");
    await structure.hierarchy.applyPreset(trajectory, "default", {
      structure: { name: "model", params: {} },
      representationPreset: "auto",
      representationPresetParams: { theme: { globalName: this.theme } },
    });
    this.background();
  }

  async colour(theme) {
    this.theme = theme;
    const { hierarchy, component } = this.plugin.managers.structure;
    for (const each of hierarchy.current.structures)
      await component.updateRepresentationsTheme(each.components, { color: theme });
  }

  background() {
    const [red, green, blue] = colourOf("--card").match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
    const backgroundColor = (red << 16) | (green << 8) | blue;
    const selectColor = parseInt(colourOf("--mark").slice(1), 16);
    const camera = { helper: { axes: { name: "off", params: {} } } };
    const marking = { selectEdgeColor: selectColor };
    this.plugin.canvas3d?.setProps({ camera, marking, renderer: { backgroundColor, selectColor } });
  }

  mark(items) {
    this.viewer.structureInteractivity({ action: "select", elements: items?.length ? { items } : undefined });
  }

  hover(items) {
    this.viewer.structureInteractivity({ action: "highlight" });
    if (items) this.viewer.structureInteractivity({ action: "highlight", elements: { items } });
  }

  // Come close to a place: its atoms and what is around them appear as sticks.
  focus(items) {
    const structure = this.plugin.managers.structure.hierarchy.current.structures[0]?.cell.obj?.data;
    if (!structure) return;
    const loci = molstar.lib.structure.StructureElement.Loci.fromSchema(structure, { items });
    this.plugin.managers.structure.focus.setFromLoci(loci);
    this.plugin.managers.camera.focusLoci(loci);
  }

  reset() {
    this.mark(null);
    this.plugin.managers.structure.focus.clear();
    this.plugin.managers.camera.reset();
  }
}
