import { visitPages } from './accessibility.ts';

visitPages('desktop');
