import { visitPages } from './accessibility.ts';

visitPages('phone');
