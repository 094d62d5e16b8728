"use strict";
// The data of the page: compressed, in base64, in script elements of type text/plain.

const element = (id) => document.getElementById(id);

async function unpack(id) {
  const bytes = Uint8Array.from(atob(element(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream);
}

const unpackText = async (id) => (await unpack(id)).text();

// A PAE is stored as differences along its rows, modulo 256.
async function unpackPae(id) {
  const values = new Uint8Array(await (await unpack(id)).arrayBuffer());
  const side = Math.round(Math.sqrt(values.length));
  for (let start = 0; start < values.length; start += side)
    for (let i = start + 1; i < start + side; i++) values[i] += values[i - 1];
  return { values, side };
}

// Tokens as a reader knows them.
class Tokens {
  constructor(data) {
    Object.assign(this, data);
    this.count = this.residues.length;
  }

  chainOf(token) {
    return this.chains.find((chain) => token < chain.stop);
  }

  label(token) {
    const atom = this.atoms[token] ? ` ${this.atoms[token]}` : "";
    return `${this.chainOf(token).id} ${this.names[token]} ${this.residues[token]}${atom}`;
  }

  // What Mol* is to select for the tokens of a range, which ends before `stop`. Residues in a row are one item.
  items(start, stop) {
    const items = [];
    for (let token = start; token < stop; token++) {
      const [chain, residue, atom] = [this.chainOf(token).id, this.residues[token], this.atoms[token]];
      const last = items.at(-1);
      if (!atom && last?.label_asym_id === chain && last.end_auth_seq_id === residue - 1) last.end_auth_seq_id = residue;
      else items.push(site(chain, residue, atom));
    }
    return items;
  }
}

// A residue, or an atom of it, as Mol* has it.
function site(chain, residue, atom) {
  const item = { label_asym_id: chain, beg_auth_seq_id: residue, end_auth_seq_id: residue };
  return atom ? { ...item, label_atom_id: atom } : item;
}
